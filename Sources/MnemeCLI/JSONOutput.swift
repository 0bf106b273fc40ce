import Mneme

/// A JSON value to be written. Objects keep the order in which their members are listed.
enum JSONOutput: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONOutput])
  case object([(String, JSONOutput)])
  /// JSON text that was checked, on one line.
  case raw(String)

  init(integerLiteral value: Int64) { self = .integer(value) }
  init(stringLiteral value: String) { self = .string(value) }
  init(booleanLiteral value: Bool) { self = .boolean(value) }
  init(nilLiteral: ()) { self = .null }
  init(arrayLiteral elements: JSONOutput...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSONOutput)...) { self = .object(elements) }

  init(_ value: Bool) { self = .boolean(value) }
  init(_ value: Int) { self = .integer(Int64(value)) }
  init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
  init(_ value: Int64) { self = .integer(value) }
  init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
  init(_ value: Double) { self = .number(value) }
  init(_ value: Double?) { self = value.map { .number($0) } ?? .null }
  init(_ value: String) { self = .string(value) }
  init(_ value: String?) { self = value.map { .string($0) } ?? .null }
  init(_ value: Namespace) { self = .string(value.name) }
  init(_ value: EntryID) { self = .integer(value.rawValue) }
  init(_ value: Seconds?) { self = value.map { .integer($0.rawValue) } ?? .null }

  /// Returns stored metadata unchanged if every JSON parser accepts it, and as a string otherwise. Python's
  /// `json.dumps` writes `NaN` and half a surrogate pair, for example.
  static func metadata(_ text: String) -> JSONOutput {
    Metadata.portable(text).map { .raw(onOneLine($0)) } ?? .string(text)
  }

  /// Escapes the characters that could control a terminal or reorder its text. The value stays the same.
  static func harmless(_ json: String) -> String {
    guard json.unicodeScalars.contains(where: isHazardous) else { return json }
    var result = ""
    for scalar in json.unicodeScalars {
      switch scalar {
      case "\t", "\n", "\r": result += " "  // In JSON these occur between tokens only.
      case _ where isHazardous(scalar): result += "\\u" + hexadecimal(scalar.value, digits: 4)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Replaces line breaks with spaces. JSON has raw line breaks only between tokens, so the value stays the same.
  static func onOneLine(_ json: String) -> String {
    guard json.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return json }
    return String(decoding: json.utf8.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }, as: UTF8.self)
  }

  /// The value as text, without a blank or a line break.
  var text: String {
    var bytes: [UInt8] = []
    write(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  func write(to bytes: inout [UInt8]) { write(to: &bytes) { _ in } }

  /// - Parameter handOver: called when there are many bytes, to take and empty them.
  func write(to bytes: inout [UInt8], handOver: (inout [UInt8]) throws -> Void) rethrows {
    switch self {
    case .null: bytes += "null".utf8
    case .boolean(let value): bytes += (value ? "true" : "false").utf8
    case .integer(let value): bytes += String(value).utf8
    // JSON has neither infinity nor NaN.
    case .number(let value): bytes += (value.isFinite ? "\(value)" : "null").utf8
    case .string(let value): JSONText.append(value, to: &bytes)
    case .raw(let value): bytes += value.utf8
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        try element.write(to: &bytes, handOver: handOver)
        if bytes.count >= 1 << 16 { try handOver(&bytes) }
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        JSONText.append(member.0, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        try member.1.write(to: &bytes, handOver: handOver)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }
}
