import Mneme

/// A command of a pipeline as a message may show it: its name and its key, and none of its values.
struct CommandText: Sendable, Equatable {
  let name: String
  /// The first key, cut at 200 bytes; nil where the command has none.
  let key: String?
}

extension Pipeline {
  /// The command at `index`, read back from the encoded bytes: only who has to report an error asks.
  func command(at index: Int) -> CommandText? {
    var cursor = 0
    for _ in 0..<index { skipCommand(&cursor) }
    guard cursor < bytes.count else { return nil }
    let words = header(&cursor)
    let name = String(decoding: word(&cursor), as: UTF8.self)
    guard let position = Pipeline.keyPosition(of: name), position < words else {
      return CommandText(name: name, key: nil)
    }
    for _ in 1..<position { _ = word(&cursor) }
    let key = String(decoding: word(&cursor).prefix(200), as: UTF8.self)
    return CommandText(name: name, key: visible(key))
  }

  /// Some of the commands, in order.
  /// - Parameter prefix: a command without arguments to be sent before each of them.
  func commands(at indices: [Int], each prefix: StaticString? = nil) -> Pipeline {
    var selection = Pipeline()
    var cursor = 0
    var index = 0
    for wanted in indices {
      while index < wanted {
        skipCommand(&cursor)
        index += 1
      }
      let start = cursor
      skipCommand(&cursor)
      index += 1
      if let prefix { selection.begin(prefix, argumentCount: 0) }
      selection.append(encoded: bytes[start..<cursor])
    }
    return selection
  }

  /// Which word of a command is its first key. nil: it has none, and what it has instead may be a secret.
  private static func keyPosition(of name: String) -> Int? {
    switch name {
    case "AUTH", "HELLO", "CLIENT", "SELECT", "PING", "ECHO", "INFO", "CONFIG", "ACL", "CLUSTER", "COMMAND",
      "SCAN",
      "DBSIZE", "TIME", "MULTI", "EXEC", "DISCARD", "UNWATCH", "READONLY", "ASKING", "WAIT", "LASTSAVE":
      nil
    case "OBJECT", "MEMORY": 2
    default: 1
    }
  }

  // MARK: Walking over the encoding

  private func skipCommand(_ cursor: inout Int) {
    for _ in 0..<header(&cursor) { _ = word(&cursor) }
  }

  private func word(_ cursor: inout Int) -> ArraySlice<UInt8> {
    let count = header(&cursor)
    defer { cursor += count + 2 }
    return bytes[cursor..<cursor + count]
  }

  /// The number between the type and the end of the line.
  private func header(_ cursor: inout Int) -> Int {
    var number = 0
    cursor += 1
    while bytes[cursor] != UInt8(ascii: "\r") {
      number = number * 10 + Int(bytes[cursor] - UInt8(ascii: "0"))
      cursor += 1
    }
    cursor += 2
    return number
  }
}
