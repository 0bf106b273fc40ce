import Synchronization

/// Every command that a server carries out while this is open, by `MONITOR`.
package final class Monitor {
  /// One command as the server saw it.
  package struct Command: CustomStringConvertible, Sendable {
    package let database: Int
    /// The address of a TCP client; all clients of a Unix socket have the same.
    package let client: String
    package let words: [[UInt8]]

    /// The command in capitals, with a container command's second word: `CLIENT SETNAME`.
    package var name: String {
      let containers = [
        "CLIENT", "CONFIG", "SCRIPT", "MEMORY", "OBJECT", "ACL", "CLUSTER", "COMMAND", "FUNCTION",
      ]
      let first = text(0).uppercased()
      return containers.contains(first) && words.count > 1 ? "\(first) \(text(1).uppercased())" : first
    }

    package func text(_ index: Int) -> String {
      index < words.count ? String(decoding: words[index], as: UTF8.self) : ""
    }

    package var description: String {
      "[\(client)] " + words.map { escaped($0.prefix(60)) }.joined(separator: " ")
    }
  }

  private let connection: RawRedis
  private let marker: RawRedis
  private static let asked = Atomic(0)

  /// From when this returns, nothing that the server does is missed. The server keeps what was not read yet.
  package init(_ server: RedisServer) throws {
    connection = try server.connect()
    marker = try server.connect()
    try connection.send("MONITOR")
  }

  /// The commands since the start, or since the last call.
  package func commands() throws -> [Command] {
    let end = "end of what is asked for \(Monitor.asked.add(1, ordering: .relaxed).newValue)"
    try marker.send("ECHO", end)
    var commands: [Command] = []
    while true {
      guard let line = try connection.receive().text else { continue }
      guard let command = Monitor.parse(line) else { continue }
      if command.text(1) == end { return commands }
      commands.append(command)
    }
  }

  /// `1339518083.107412 [0 127.0.0.1:60866] "keys" "a\x00b"`
  private static func parse(_ line: String) -> Command? {
    guard let open = line.firstIndex(of: "["), let close = line[open...].firstIndex(of: "]") else {
      return nil
    }
    let origin = line[line.index(after: open)..<close].split(separator: " ", maxSplits: 1)
    guard origin.count == 2, let database = Int(origin[0]) else { return nil }
    return Command(
      database: database, client: String(origin[1]),
      words: words(in: Array(line[line.index(after: close)...].utf8)))
  }

  /// The words of `"set" "k\"ey" "\x00\n"`, with the escapes of the server's `sdscatrepr`.
  private static func words(in text: [UInt8]) -> [[UInt8]] {
    let single: [UInt8: UInt8] = [0x6e: 0x0a, 0x72: 0x0d, 0x74: 0x09, 0x61: 0x07, 0x62: 0x08]
    var words: [[UInt8]] = []
    var word: [UInt8]?
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      if byte == UInt8(ascii: "\"") {
        if let done = word { words.append(done) }
        word = word == nil ? [] : nil
      } else if byte == UInt8(ascii: "\\"), index < text.count {
        let escape = text[index]
        index += 1
        if escape == UInt8(ascii: "x"), index + 2 <= text.count,
          let value = UInt8(String(decoding: text[index..<index + 2], as: UTF8.self), radix: 16)
        {
          word?.append(value)
          index += 2
        } else {
          word?.append(single[escape] ?? escape)
        }
      } else {
        word?.append(byte)
      }
    }
    return words
  }
}
