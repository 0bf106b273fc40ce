import Mneme

/// A command of a pipeline for messages: its name and its key, without its values.
struct CommandText: Sendable, Equatable {
  let name: String
  /// The first key, cut at 200 bytes; nil if the command has none.
  let key: String?
}

extension Pipeline {
  /// Reads the command at `index` back from the encoded bytes. This is needed for error messages only.
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

  /// Returns some of the commands, in order.
  /// - Parameter prefix: a command without arguments that is sent before each of them.
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

  /// The position of a command's first key; nil if it has none, since its other arguments may be secrets.
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
