import Glibc
import Mneme
import TestSupport
import Testing

@testable import MnemeCLI

@Suite("The forms of files for import")
struct InputFormTests {
  private let object = #"{"query":"q","response":"r"}"#

  @Test("lines, an array and a table are recognized, with and without a byte order mark")
  func readable() throws {
    for mark in [[], byteOrderMark] {
      func form(_ text: String) throws -> InputForm { try InputForm(of: mark + Array(text.utf8), path: nil) }
      #expect(try form(object + "\n") == .lines)
      #expect(try form("\n  " + object) == .lines)
      #expect(try form("[\(object)]") == .array)
      #expect(try form("\n [\n\(object)\n]") == .array)
      // A fault is reported when its line is read.
      #expect(try form("nonsense") == .lines)
      #expect(try form("") == .lines)
    }
  }

  static let foreign: [(beginning: [UInt8], what: String, command: String)] = [
    ([0x1F, 0x8B, 0x08], "gzip", "gzip -dc < 'a file' | mneme import"),
    ([0x28, 0xB5, 0x2F, 0xFD], "zstd", "zstd -dc < 'a file' | mneme import"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz", "xz -dc < 'a file' | mneme import"),
    (Array("BZh9".utf8), "bzip2", "bzip2 -dc < 'a file' | mneme import"),
    ([0x04, 0x22, 0x4D, 0x18], "lz4", "lz4 -dc < 'a file' | mneme import"),
    (Array("PK\u{3}\u{4}".utf8), "zip", "--format csv"),
    ([UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8), "tar", "tar -xf 'a file' store && mneme"),
    ([0xFF, 0xFE, 0x7B, 0x00], "UTF-16", "iconv -f UTF-16 -t UTF-8 < 'a file' | mneme import"),
    ([0xFE, 0xFF, 0x00, 0x7B], "UTF-16", "iconv -f UTF-16 -t UTF-8 < 'a file' | mneme import"),
    ([0x7B, 0x00, 0x22, 0x00], "UTF-16", "iconv -f UTF-16LE -t UTF-8 < 'a file' | mneme import"),
    ([0x00, 0x7B, 0x00, 0x22], "UTF-16", "iconv -f UTF-16BE -t UTF-8 < 'a file' | mneme import"),
    ([0xFF, 0xFE, 0x00, 0x00], "UTF-32", "iconv -f UTF-32 -t UTF-8 < 'a file' | mneme import"),
    (Array("query,response\nq,r\n".utf8), "CSV", "--format csv"),
    (Array("Query;Response\r\nq;r".utf8), "CSV", "--format csv"),
    (Array("id\tquery\tresponse\n".utf8), "CSV", "--format csv"),
  ]

  @Test("a file in another form is named, with the command that converts it to lines", arguments: foreign)
  func foreignForm(beginning: [UInt8], what: String, command: String) {
    let error = #expect(throws: InputError.self) { try InputForm(of: beginning, path: "a file") }
    #expect(error?.message.contains(what) == true && error?.message.contains("'a file'") == true)
    #expect(error?.remediation.contains(command) == true, "\(error?.remediation ?? "")")
    let piped = #expect(throws: InputError.self) { try InputForm(of: beginning, path: nil) }
    #expect(piped?.message.hasPrefix("Standard input") == true)
  }

  @Test(
    "the advised commands return the original data",
    arguments: [
      "gzip", "xz", "zstd", "bzip2", "lz4", "iconv -f UTF-8 -t UTF-16", "iconv -f UTF-8 -t UTF-16LE",
    ])
  func advice(packer: String) throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write((object + "\n").utf8, to: "plain")
    let packed = directory.path("pack'ed")
    let words = packer.split(separator: " ").first.map(String.init) ?? ""
    let isThere = try ChildProcess(["sh", "-c", "command -v \(words)"]).finish().status == 0
    guard isThere else { try Test.cancel("\(words) is not on PATH") }
    try ChildProcess(["sh", "-c", "\(packer) < '\(path)' > \"$0\"", packed]).finish().expecting(0)
    let bytes = try directory.read("pack'ed")
    let error = try #require(throws: InputError.self) { try InputForm(of: bytes, path: packed) }
    let command = try #require(error.remediation.split(separator: ": ", maxSplits: 1).last)
    let line = command.replacing(" | mneme import", with: "")
    #expect(try ChildProcess(["sh", "-c", String(line)]).finish().expecting(0).outputText == object + "\n")
  }

  @Test("a format that was named is the format of the file")
  func namedFormat() throws {
    let database = Array("SQLite format 3\u{0}".utf8)
    #expect(try InputForm(of: database, path: "f", format: .sqlite) == .sqlite)
    #expect(try InputForm(of: Array("[{".utf8), path: "f", format: .jsonl) == .array)
    for format in [Import.Format.csv, .jsonl] {
      let error = #expect(throws: InputError.self) { try InputForm(of: database, path: "f", format: format) }
      #expect(error?.message.contains("is a SQLite database") ?? false)
    }
    #expect(throws: InputError.self) { try InputForm(of: Array("{".utf8), path: "f", format: .sqlite) }
  }

  @Test("a word is quoted for the shell where it needs to be")
  func quoting() {
    #expect(shellQuoted("cache.jsonl") == "cache.jsonl")
    #expect(shellQuoted("a b") == "'a b'")
    #expect(shellQuoted("it's") == "'it'\\''s'")
    #expect(shellQuoted("") == "''" && shellQuoted("-o") == "-o" && shellQuoted("$x") == "'$x'")
  }

  // MARK: Elements and rows

  private func records(_ text: String, _ form: InputForm, piece: Int? = nil) throws -> [String] {
    let directory = try TemporaryDirectory()
    var reader = LineReader(
      try InputFile(try directory.write(text.utf8, to: "file")), form: form, limit: 1 << 20)
    var records: [String] = []
    while let record = try reader.next() {
      records.append(String(decoding: record, as: UTF8.self))
      #expect(reader.number == records.count)
    }
    return records
  }

  @Test(
    "the elements of an array are read one after the other, however it is broken into lines",
    arguments: [
      ("[]", []), (" [ ] \n", []), ("[1]", ["1"]), ("[1,2]", ["1", "2"]),
      (#"[{"a":[1,{"b":","}]},{"c":"]\"}"}]"#, [#"{"a":[1,{"b":","}]}"#, #"{"c":"]\"}"}"#]),
      ("\u{FEFF}[\n{\"a\":\n1},\n{}\n]\n", ["\n{\"a\":\n1}", "\n{}\n"]),
    ])
  func elements(text: String, expected: [String]) throws {
    #expect(try records(text, .array) == expected)
  }

  @Test("elements that cross the ends of reads are returned whole")
  func longArray() throws {
    let elements = (0..<20_000).map {
      "{\"n\":\($0),\"t\":\"\(String(repeating: "],\\\"", count: $0 % 17))\"}"
    }
    #expect(try records("[" + elements.joined(separator: ",") + "]", .array) == elements)
  }

  @Test("an array without an end is an error, after its elements were read")
  func openArray() throws {
    #expect(throws: InputError.self) { try records("[{},", .array) }
    #expect(throws: InputError.self) { try records("[", .array) }
    // An element that is cut off is returned, and is not JSON.
    #expect(throws: InputError.self) { try records("[{},{\"a\":", .array) }
  }

  @Test("a row ends with its line, but not within quotes")
  func rows() throws {
    #expect(try records("a,b\r\n\"c\nd\",\"e\"\"\n\"\nf", .csv) == ["a,b", "\"c\nd\",\"e\"\"\n\"", "f"])
  }

  // MARK: A table

  private func draft(_ heading: String, _ row: String) throws -> EntryLine.Draft {
    let record = try CSVColumns(heading: Array(heading.utf8)[...]).record(of: Array(row.utf8)[...])
    guard case .entry(let draft) = record else { throw InputError("settings", remediation: "") }
    return draft
  }

  @Test("a row is an entry, with the columns in any order and any separator")
  func table() throws {
    for (heading, row) in [
      ("query,response", #""a ""q""",r"#), ("response;query;", #"r;"a ""q""";"#),
      ("Query\t Response \tttl", "a \"q\"\tr"),
    ] {
      let draft = try draft(heading, row)
      #expect(draft.query == "a \"q\"" && draft.response == "r", "\(heading)")
      #expect(draft.metadata == "{}" && draft.ttl == nil && draft.createdAt == nil && draft.namespace == nil)
    }
    let whole = try draft(
      "namespace,query,response,ttl,metadata,created_at",
      #"faq,q,"r;s, t",7d,"{""a"": 1}",1795905398.25"#)
    #expect(whole.namespace?.name == "faq" && whole.response == "r;s, t" && whole.ttl == Seconds(604_800))
    #expect(whole.metadata == #"{"a": 1}"# && whole.createdAt == UnixTime(1_795_905_398))
    #expect(try draft("query,response,ttl", "q,r,90").ttl == Seconds(90))
    #expect(try CSVColumns(heading: Array("query,note,response".utf8)[...]).unknown == ["note"])
  }

  @Test(
    "an invalid row is refused, and the message names the field",
    arguments: [
      ("query,answer", "q,r", "'response'"), ("a,b", "q,r", "'query'"),
      ("query,response,query", "q,r,q", "twice"), ("query,response", "q", "'response'"),
      ("query,response", "q,", "'response'"), ("query,response", "q,r,s", "3 fields"),
      ("query,response,ttl", "q,r,soon", "'ttl'"), ("query,response,ttl", "q,r,0", "'ttl'"),
      ("query,response,created_at", "q,r,yesterday", "'created_at'"),
    ])
  func wrongRow(heading: String, row: String, mentions: String) {
    let error = #expect(throws: InputError.self) { try draft(heading, row) }
    #expect(error?.message.contains(mentions) == true, "\(error?.message ?? "")")
  }

  @Test("a table that is not UTF-8 is refused with the way to convert it")
  func latin1() {
    let error = #expect(throws: InputError.self) {
      try CSVColumns(heading: Array("query,response".utf8)[...]).record(of: [0x71, 0x2C, 0xE9])
    }
    #expect(error?.remediation.contains("iconv") == true)
  }
}

@Suite("Files with a vector")
struct VectorFileTests {
  private let directory = try? TemporaryDirectory()

  private func read(_ bytes: [UInt8], _ form: VectorFile.Form? = nil, for dimension: Int? = nil) throws
    -> [Float]
  {
    let path = try #require(try directory?.write(bytes, to: "vector"))
    return try VectorFile(path: path, form: form).read(for: dimension)
  }

  private func raw(_ numbers: [some BinaryFloatingPoint]) -> [UInt8] {
    numbers.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
  }

  @Test("an array of numbers is read, with or without a byte order mark")
  func json() throws {
    #expect(try read(Array("[1, 2.5]\n".utf8)) == [1, 2.5])
    #expect(try read(byteOrderMark + Array(" [1,2]".utf8)) == [1, 2])
    #expect(try read(Array("[1,2]".utf8), .json) == [1, 2])
  }

  @Test(
    "text that is not an array is an error, of any size",
    arguments: ["1 2 3 4 5 6 7 8\n", #"{"x":[1,2,3,45]}"#, "[1,2,3", "abcd", "    ", "[]", #"["a"]"#])
  func text(text: String) {
    #expect(throws: InputError.self) { try read(Array(text.utf8), for: 4) }
  }

  @Test("raw numbers are read in the given size, and as float32 if none is given")
  func rawNumbers() throws {
    #expect(try read(raw([1, -2.5] as [Float])) == [1, -2.5])
    #expect(try read(raw([1, -2.5] as [Float]), .f32) == [1, -2.5])
    #expect(try read(raw([1, -2.5] as [Double]), .f64) == [1, -2.5])
    #expect(try read([0x00, 0x3C, 0x00, 0xC1], .f16) == [1, -2.5])
    #expect(try read([0x01, 0x00, 0xFF, 0x7B], .f16) == [0x1p-24, 65_504])
    let special = try read([0x00, 0x7C, 0x00, 0xFC, 0x01, 0x7E, 0x00, 0x80], .f16)
    #expect(special[0] == .infinity && special[1] == -.infinity && special[2].isNaN)
    #expect(special[3] == 0 && special[3].sign == .minus)
  }

  @Test("for a file that would fit with numbers of another size the error names that size")
  func otherSize() {
    for (bytes, option) in [
      (raw([0.5, 0.25, 0.125, 1] as [Double]), "--embedding-type f64"),
      ([0, 0x3C, 0, 0x3C, 0, 0x3C, 0, 0x3C], "f16"),
    ] {
      let error = #expect(throws: InputError.self) { try read(bytes, for: 4) }
      #expect(error?.remediation.contains(option) == true, "\(error?.remediation ?? "")")
    }
  }

  @Test("a NumPy file is recognized, and so is a length that is not a whole number of numbers")
  func wrongFiles() {
    let numpy = #expect(throws: InputError.self) { try read([0x93] + Array("NUMPY\u{1}\u{0}".utf8)) }
    #expect(numpy?.message.contains("NumPy") == true && numpy?.remediation.contains("tofile") == true)
    for (bytes, form) in [([1, 2, 3], nil), ([], nil), ([0, 1, 2, 3, 4], .f64), ([0], .f16)]
      as [([UInt8], VectorFile.Form?)]
    {
      #expect(throws: InputError.self) { try read(bytes, form) }
    }
  }
}
