/// A JSON value as a test looks into it, parsed here so that every byte counts: Foundation drops a byte order
/// mark from a string and knows no `1e400`.
///
/// A missing member is null, so that `value["a"]["b"]` needs no care.
package enum JSONValue: Sendable, CustomStringConvertible {
  case null
  case boolean(Bool)
  /// A number, as it was written.
  case number(String)
  case text(String)
  case list([JSONValue])
  /// The members in their order.
  case object([(key: String, value: JSONValue)])

  /// A value from its text.
  /// - Throws: `JSONSyntaxError` for what RFC 8259 does not allow.
  package init(_ text: String) throws { try self.init(bytes: Array(text.utf8)) }

  package init(bytes: [UInt8]) throws {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw JSONSyntaxError(position: 0) }
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }

  /// - Throws: `Unexpected` with the outcome that the bytes came from when they are not JSON.
  init(parsing bytes: [UInt8], in outcome: Outcome) throws {
    do {
      try self.init(bytes: bytes)
    } catch {
      throw Unexpected("JSON (\(error))", of: outcome)
    }
  }

  package subscript(_ key: String) -> JSONValue {
    guard case .object(let members) = self else { return .null }
    return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value ?? .null
  }

  package subscript(_ index: Int) -> JSONValue {
    guard case .list(let items) = self, items.indices.contains(index) else { return .null }
    return items[index]
  }

  package var isNull: Bool { if case .null = self { true } else { false } }
  package var string: String? { if case .text(let text) = self { text } else { nil } }
  package var bool: Bool? { if case .boolean(let truth) = self { truth } else { nil } }
  package var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
  /// nil for a number with a fraction or an exponent.
  package var int: Int? { if case .number(let text) = self { Int(text) } else { nil } }
  package var array: [JSONValue]? { if case .list(let items) = self { items } else { nil } }
  /// The keys of an object, sorted; nil for anything else.
  package var keys: [String]? {
    if case .object(let members) = self { members.map(\.key).sorted() } else { nil }
  }

  package var description: String {
    switch self {
    case .null: "null"
    case .boolean(let truth): "\(truth)"
    case .number(let text): text
    case .text(let text): text.debugDescription
    case .list(let items): "[" + items.map(\.description).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { "\($0.key.debugDescription):\($0.value)" }.joined(separator: ",") + "}"
    }
  }
}

/// The position at which a text stops being JSON.
package struct JSONSyntaxError: Error, CustomStringConvertible {
  package let position: Int
  package var description: String { "no JSON from byte \(position) on" }
}

private struct JSONParser {
  let bytes: [UInt8]
  var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws -> JSONValue {
    let value = try value()
    skipSpace()
    guard position == bytes.count else { throw wrong }
    return value
  }

  private var wrong: JSONSyntaxError { JSONSyntaxError(position: position) }
  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
  }

  private mutating func take(_ text: StaticString) -> Bool {
    let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    guard bytes[position...].starts(with: wanted) else { return false }
    position += wanted.count
    return true
  }

  private mutating func value() throws -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try list()
    case UInt8(ascii: "\""): return .text(try string())
    default:
      if take("true") { return .boolean(true) }
      if take("false") { return .boolean(false) }
      if take("null") { return .null }
      return try number()
    }
  }

  private mutating func object() throws -> JSONValue {
    var members: [(key: String, value: JSONValue)] = []
    try separated(by: "{", "}") {
      $0.skipSpace()
      let key = try $0.string()
      $0.skipSpace()
      guard $0.take(":") else { throw $0.wrong }
      members.append((key, try $0.value()))
    }
    return .object(members)
  }

  private mutating func list() throws -> JSONValue {
    var items: [JSONValue] = []
    try separated(by: "[", "]") { items.append(try $0.value()) }
    return .list(items)
  }

  private mutating func separated(
    by open: StaticString, _ close: StaticString, _ item: (inout JSONParser) throws -> Void
  ) throws {
    guard take(open) else { throw wrong }
    skipSpace()
    if take(close) { return }
    while true {
      try item(&self)
      skipSpace()
      if take(close) { return }
      guard take(",") else { throw wrong }
    }
  }

  private mutating func number() throws -> JSONValue {
    let rest = String(decoding: bytes[position..<min(position + 400, bytes.count)], as: UTF8.self)
    guard let match = rest.prefixMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/) else {
      throw wrong
    }
    position += match.0.utf8.count
    return .number(String(match.0))
  }

  private mutating func string() throws -> String {
    guard take("\"") else { throw wrong }
    var text: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text += try escape()
      case 0..<0x20: throw wrong
      default: text.append(byte)
      }
    }
    throw wrong
  }

  private mutating func escape() throws -> [UInt8] {
    guard let kind = next else { throw wrong }
    position += 1
    let single: [UInt8: UInt8] = [
      0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9, 0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F,
    ]
    if let byte = single[kind] { return [byte] }
    guard kind == UInt8(ascii: "u") else { throw wrong }
    let unit = try codeUnit()
    var units = [unit]
    if UTF16.isLeadSurrogate(unit) {
      guard take("\\u") else { throw wrong }
      units.append(try codeUnit())
    }
    guard let text = String(validating: units, as: UTF16.self) else { throw wrong }
    return Array(text.utf8)
  }

  private mutating func codeUnit() throws -> UInt16 {
    guard position + 4 <= bytes.count,
      let unit = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw wrong }
    position += 4
    return unit
  }
}
