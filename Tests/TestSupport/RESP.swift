/// A value of the Redis protocol, version 2.
package enum RESPValue: Equatable, Sendable, CustomStringConvertible {
  case simple(String)
  case error(String)
  case integer(Int64)
  case bulk([UInt8])
  case array([RESPValue])
  case null

  /// The bytes of a string of either kind.
  package var bytes: [UInt8]? {
    switch self {
    case .bulk(let bytes): bytes
    case .simple(let text): Array(text.utf8)
    default: nil
    }
  }

  package var text: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

  /// An integer, also one in a string.
  package var integer: Int64? {
    if case .integer(let number) = self { return number }
    return text.flatMap { Int64($0) }
  }

  /// The members of an array; empty for anything else.
  package var items: [RESPValue] {
    if case .array(let items) = self { return items }
    return []
  }

  /// The members of an array of strings.
  package var texts: [String] { items.compactMap(\.text) }

  /// The pairs of a flat array of keys and values, as `HGETALL` answers.
  package var pairs: [String: String] {
    var pairs: [String: String] = [:]
    for index in stride(from: 0, to: items.count - 1, by: 2) {
      pairs[items[index].text ?? ""] = items[index + 1].text
    }
    return pairs
  }

  package var description: String {
    switch self {
    case .simple(let text): text
    case .error(let text): "(error) \(text)"
    case .integer(let number): "(integer) \(number)"
    case .bulk(let bytes): "\"\(escaped(bytes))\""
    case .array(let items): "\(items)"
    case .null: "(nil)"
    }
  }

  /// The bytes of a command.
  package static func command(_ words: [[UInt8]]) -> [UInt8] {
    var bytes = Array("*\(words.count)\r\n".utf8)
    for word in words {
      bytes += Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8)
    }
    return bytes
  }
}

/// Takes the bytes of a stream as they come and gives the values in it. Written for the tests alone, so that
/// what they see of Redis does not pass through the code that they test.
package struct RESPParser {
  /// The stream broke the protocol.
  package struct Violation: Error, CustomStringConvertible {
    package let description: String
  }

  private var buffer: [UInt8] = []
  private var position = 0

  package init() {}

  package mutating func append(_ bytes: [UInt8]) {
    // Bytes that have been used are removed when they are most of the buffer.
    if position > buffer.count / 2 {
      buffer.removeFirst(position)
      position = 0
    }
    buffer += bytes
  }

  /// The next whole value; nil until more bytes have come.
  package mutating func next() throws -> RESPValue? {
    let start = position
    if let value = try value() { return value }
    position = start
    return nil
  }

  /// The bytes of the next whole value; nil until more bytes have come.
  package mutating func nextBytes() throws -> [UInt8]? {
    let start = position
    return try next().map { _ in Array(buffer[start..<position]) }
  }

  private mutating func value() throws -> RESPValue? {
    guard let line = line() else { return nil }
    guard let kind = line.first else { throw Violation(description: "an empty line") }
    let text = String(decoding: line.dropFirst(), as: UTF8.self)
    func number() throws -> Int {
      guard let number = Int(text) else { throw Violation(description: "no number: \(text)") }
      return number
    }
    switch kind {
    case UInt8(ascii: "+"): return .simple(text)
    case UInt8(ascii: "-"): return .error(text)
    case UInt8(ascii: ":"): return .integer(Int64(try number()))
    case UInt8(ascii: "$"):
      let count = try number()
      guard count >= 0 else { return .null }
      guard buffer.count - position >= count + 2 else { return nil }
      defer { position += count + 2 }
      return .bulk(Array(buffer[position..<position + count]))
    case UInt8(ascii: "*"):
      let count = try number()
      guard count >= 0 else { return .null }
      var items: [RESPValue] = []
      for _ in 0..<count {
        guard let item = try value() else { return nil }
        items.append(item)
      }
      return .array(items)
    default: throw Violation(description: "a value of kind \(escaped([kind])), after which: \(text)")
    }
  }

  private mutating func line() -> ArraySlice<UInt8>? {
    guard let end = buffer[position...].firstIndex(of: UInt8(ascii: "\r")), end + 1 < buffer.count else {
      return nil
    }
    defer { position = end + 2 }
    return buffer[position..<end]
  }
}
