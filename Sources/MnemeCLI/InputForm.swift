import Mneme

/// The form of a file, as its first bytes show it.
enum InputForm {
  /// One JSON object a line.
  case lines
  /// One JSON array, whose elements are the objects.
  case array
  /// A heading and rows.
  case csv
  /// A SQLite cache of the Python library.
  case sqlite

  /// The name of a record: line, element or row.
  var unit: String {
    switch self {
    case .lines: "line"
    case .array: "element"
    case .csv, .sqlite: "row"
    }
  }

  /// The most bytes that are used to recognize a form.
  static let lookAhead = 4096

  /// Recognizes lines and arrays of JSON, and SQLite.
  /// - Parameters:
  ///   - bytes: the beginning of the file.
  ///   - path: of the file; nil for standard input.
  ///   - format: the format that was named.
  /// - Throws: `InputError` for a file in another form, with a command that turns it into lines.
  init(of bytes: [UInt8], path: String?, format: Import.Format? = nil) throws {
    if let foreign = ForeignForm(bytes, path) { throw foreign.error(path) }
    let isSQLite = bytes.starts(with: SQLiteSchema.magic.utf8)
    if let format, (format == .sqlite) != isSQLite {
      throw InputError(
        "\(inputName(path)) is \(isSQLite ? "" : "not ")a SQLite database.",
        remediation: isSQLite ? "Leave out --format." : "Name its format, or leave out --format.")
    }
    guard !isSQLite else {
      guard path != nil else {
        throw InputError(
          "Standard input is a SQLite database, which SQLite reads from a file.",
          remediation: "Name the file: mneme import FILE")
      }
      self = .sqlite
      return
    }
    guard format != .csv else {
      self = .csv
      return
    }
    let text = withoutByteOrderMark(bytes)
    let firstLine = String(decoding: text.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
    switch text.first(where: { !$0.isJSONSpace }) {
    case UInt8(ascii: "["): self = .array
    case UInt8(ascii: "{"): self = .lines
    default:
      if CSVColumns.areNamed(in: firstLine) {
        throw InputError(
          "\(inputName(path)) is a table in CSV.", remediation: "Add --format csv to read it.")
      }
      self = .lines
    }
  }
}

/// A form of file that is recognized but cannot be imported.
private struct ForeignForm {
  var what: String
  /// The command that converts the file to a readable form; nil if there is none.
  var filter: String?
  var advice = ""

  init?(_ bytes: [UInt8], _ path: String?) {
    func begins(_ magic: [UInt8]) -> Bool { bytes.starts(with: magic) }
    func begins(_ magic: String) -> Bool { bytes.starts(with: magic.utf8) }
    let zeros = (bytes.dropFirst(0).first == 0, bytes.dropFirst(1).first == 0)
    switch true {
    case begins([0x1F, 0x8B]) && [".tar.gz", ".tgz"].contains { path?.hasSuffix($0) ?? false }:
      what = "a packed directory, as the Python library's 'dumps' makes it"
      advice = Self.unpacking(path)
    case bytes.dropFirst(257).starts(with: "ustar".utf8):
      what = "a tar archive, as the Python library's 'dumps' makes it"
      advice = Self.unpacking(path)
    case begins([0x1F, 0x8B]): (what, filter) = ("compressed with gzip", "gzip -dc")
    case begins([0x28, 0xB5, 0x2F, 0xFD]): (what, filter) = ("compressed with zstd", "zstd -dc")
    case begins([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]): (what, filter) = ("compressed with xz", "xz -dc")
    case begins("BZh"): (what, filter) = ("compressed with bzip2", "bzip2 -dc")
    case begins([0x04, 0x22, 0x4D, 0x18]): (what, filter) = ("compressed with lz4", "lz4 -dc")
    case begins("PK\u{3}\u{4}"):
      what = "a zip archive, as spreadsheets are"
      advice = "Unpack it, or save the spreadsheet as CSV in UTF-8 and add --format csv."
    case begins([0xFF, 0xFE, 0, 0]), begins([0, 0, 0xFE, 0xFF]):
      (what, filter) = ("UTF-32", Self.iconv("UTF-32"))
    case begins([0xFF, 0xFE]), begins([0xFE, 0xFF]): (what, filter) = ("UTF-16", Self.iconv("UTF-16"))
    case bytes.count > 1 && zeros == (false, true): (what, filter) = ("UTF-16", Self.iconv("UTF-16LE"))
    case bytes.count > 1 && zeros == (true, false): (what, filter) = ("UTF-16", Self.iconv("UTF-16BE"))
    default: return nil
    }
  }

  /// `dumps` makes a gzip'ed archive with the SQLite file as its member `store`.
  private static func unpacking(_ path: String?) -> String {
    "Unpack it: tar -xf \(path.map(shellQuoted) ?? "FILE") store && mneme import store"
  }

  private static func iconv(_ name: String) -> String { "iconv -f \(name) -t UTF-8" }

  func error(_ path: String?) -> InputError {
    let verb = what.hasPrefix("compressed") ? "is" : what.hasPrefix("UTF") ? "is in" : "is"
    let command = filter.map { filter in
      path.map { "\(filter) < \(shellQuoted($0)) | mneme import" } ?? "... | \(filter) | mneme import"
    }
    return InputError(
      "\(inputName(path)) \(verb) \(what).", remediation: command.map { "Convert it: \($0)" } ?? advice)
  }
}

private func inputName(_ path: String?) -> String { path.map { "The file '\($0)'" } ?? "Standard input" }

/// The bytes of a text without the mark that Windows programs put before it.
func withoutByteOrderMark(_ bytes: [UInt8]) -> [UInt8] {
  bytes.starts(with: byteOrderMark) ? Array(bytes.dropFirst(byteOrderMark.count)) : bytes
}

/// U+FEFF in UTF-8.
let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

extension UInt8 {
  var isJSONSpace: Bool { self == 0x20 || self == 0x09 || self == 0x0A || self == 0x0D }
}
