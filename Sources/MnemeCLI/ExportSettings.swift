import Mneme

/// The settings of a cache, on the first line of an export. They are needed to restore quotas and counters.
struct ExportSettings: Sendable {
  /// The format of exports that this version writes and reads.
  static let format: Int64 = 1

  var keyPrefix: String?
  var fingerprint: String?
  var dimension: Int?
  var quotas: [Namespace: Int] = [:]
  var counters: [Namespace: Counters] = [:]
  var version: Int64?
  var exportedAt: UnixTime?

  /// The members, in the order in which they are written.
  private enum Member: String {
    case format = "mneme_export"
    case keyPrefix = "key_prefix"
    case fingerprint = "embedder_fingerprint"
    case dimension = "embedder_dim"
    case quotas, counters, version
    case exportedAt = "exported_at"
  }

  /// The beginning of the line, as `export` writes it.
  static let beginning = Array("{\"\(Member.format.rawValue)\":".utf8)

  var json: JSONOutput {
    func members<Value>(_ values: [Namespace: Value], _ json: (Value) -> JSONOutput) -> JSONOutput {
      .object(values.sorted { $0.key < $1.key }.map { ($0.key.name, json($0.value)) })
    }
    let values: [(Member, JSONOutput)] = [
      (.format, .integer(Self.format)), (.keyPrefix, JSONOutput(keyPrefix)),
      (.fingerprint, JSONOutput(fingerprint)), (.dimension, JSONOutput(dimension)),
      (.quotas, members(quotas) { JSONOutput($0) }),
      (
        .counters,
        members(counters) { counters in
          .object(Counter.allCases.map { ($0.rawValue, JSONOutput(counters[$0])) })
        }
      ),
      (.version, JSONOutput(version)), (.exportedAt, JSONOutput(exportedAt?.rawValue)),
    ]
    return .object(values.map { ($0.rawValue, $1) })
  }

  init() {}

  /// Reads a line; nil if the object does not hold settings.
  /// - Parameter isFormatEnough: reads the format alone.
  /// - Throws: `InputError` for another format, and for a value of the wrong type.
  init?(of object: JSONText, isFormatEnough: Bool = false) throws {
    var values: [Member: JSONText] = [:]
    object.forEachMember { name, value in
      guard let member = name.string.flatMap(Member.init(rawValue:)) else { return }
      values[member] = value.kind == .null ? nil : value
    }
    guard let format = values[.format] else { return nil }
    guard let number = format.integer, number > 0 else {
      throw Self.wrong(.format, "the number of a format")
    }
    guard number == Self.format else {
      throw InputError(
        "the export has format \(number); this version reads format \(Self.format).",
        remediation: "Import it with the version of mneme that wrote it, or a later one.")
    }
    if isFormatEnough { return }
    func text(_ member: Member) throws -> String? {
      try values[member].map { value in
        guard let text = value.string else { throw Self.wrong(member, "text") }
        return text
      }
    }
    func integer(_ member: Member) throws -> Int64? {
      try values[member].map { try Self.count($0, atLeast: 0, member) }
    }
    (keyPrefix, fingerprint) = (try text(.keyPrefix), try text(.fingerprint))
    (dimension, version) = (try integer(.dimension).map { Int($0) }, try integer(.version))
    exportedAt = try integer(.exportedAt).map { UnixTime($0) }
    try Self.forEachNamespace(in: values[.quotas], .quotas) { namespace, quota in
      quotas[namespace] = Int(try Self.count(quota, atLeast: 1, .quotas))
    }
    try Self.forEachNamespace(in: values[.counters], .counters) { namespace, counts in
      guard counts.kind == .object else { throw Self.wrong(.counters, "an object of objects") }
      for (name, count) in counts.members {
        guard let counter = name.flatMap(Counter.init(rawValue:)) else { continue }
        counters[namespace, default: Counters()][counter] = try Self.count(count, atLeast: 0, .counters)
      }
    }
  }

  private static func forEachNamespace(
    in object: JSONText?, _ member: Member, _ body: (Namespace, JSONText) throws -> Void
  ) throws {
    guard let object else { return }
    guard object.kind == .object else { throw wrong(member, "an object") }
    for (name, value) in object.members {
      guard let name else { throw wrong(member, "an object whose names are text") }
      try body(Namespace(unchecked: name), value)
    }
  }

  private static func count(_ value: JSONText, atLeast least: Int64, _ member: Member) throws -> Int64 {
    guard let number = value.integer, number >= least else {
      throw wrong(member, "made of whole numbers of \(least) or more")
    }
    return number
  }

  private static func wrong(_ member: Member, _ right: String) -> InputError {
    InputError(
      "the member '\(member.rawValue)' of the export's settings is not \(right).",
      remediation: "Correct the line, or import without it: --no-settings.")
  }
}
