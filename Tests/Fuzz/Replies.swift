import CHiredis
import Mneme

@testable import MnemeCLI
@testable import MnemeRedis

extension Target {
  /// The bytes of a server, through hiredis: the fault or the replies do not depend on how the bytes were cut,
  /// replies spell the bytes that they were read from, memory is bounded by the tape's limit, and text made of a
  /// reply can be shown.
  static let replies = Target(
    name: "replies",
    words: [
      "+OK\r\n", "-ERR ", "-MOVED 1 ", "-ASK 1 ", "WRONGTYPE ", ", with args beginning with: ", ":1\r\n",
      "$-1\r\n", "*-1\r\n", "$0\r\n\r\n", "$1\r\n1\r\n", "*2\r\n", "*1\r\n", "\r\n", "9223372036854775807",
      "127.0.0.1:6379", "$4\r\nmode\r\n", "$7\r\ncluster\r\n", "used_memory:", "\u{202E}", "\u{1B}[",
    ]
  ) { input in
    let wanted = Int(input.byte() % 8) + 1
    let step = Int(input.byte()) + 1
    let bytes = input.remainder()

    let whole = Parse(bytes, wanted: wanted, step: max(1, bytes.count), limit: 64 * (bytes.count + 4096))
    let parts = Parse(bytes, wanted: wanted, step: step, limit: 64 * (bytes.count + 4096))
    expect(
      whole.fault == parts.fault, "in one \(whole.fault ?? "read"), in parts \(parts.fault ?? "read")")
    expect(whole.fault?.contains("hiredis") != true, "hiredis refused what the framing has let pass")
    if whole.fault == nil {
      expect(whole.tape.isCopy(of: parts.tape), "another tape where the bytes came in parts")
      var spelling = Spelling(bytes: bytes)
      for reply in whole.replies { spelling.take(reply) }
      if whole.replies.count == wanted { expect(spelling.isAtEnd, "bytes that are in no reply") }
    }
    for reply in parts.replies { examine(reply) }

    // A limit that is met.
    let least = 256 + Int(step)
    let small = Parse(bytes, wanted: wanted, step: step, limit: least)
    let held = withExtendedLifetime(small) {
      let tape = small.tape.storage.pointee
      return tape.node_count * MemoryLayout<mneme_node>.size + tape.arena_count
    }
    expect(held <= least, "\(held) bytes on a tape for \(least)")
  }
}

/// Bytes as a connection hands them to the parser: some at a time.
private struct Parse {
  let tape: Tape
  let fault: String?

  init(_ bytes: [UInt8], wanted: Int, step: Int, limit: Int) {
    guard let reader = try? ReplyReader(limit: limit) else { fatalError("out of memory") }
    reader.begin()
    fault = bytes.withUnsafeBytes { bytes in
      for at in stride(from: 0, to: bytes.count, by: step) {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[at..<min(at + step, bytes.count)])
        do throws(ProtocolViolation) {
          try reader.feed(piece, wanted: wanted)
        } catch {
          return error.description
        }
      }
      return nil
    }
    tape = reader.tape
  }

  var replies: Replies { Replies(tape: tape, skipped: 0) }
}

extension Tape {
  fileprivate func isCopy(of other: Tape) -> Bool {
    let (a, b) = (storage.pointee, other.storage.pointee)
    guard a.node_count == b.node_count, a.arena_count == b.arena_count, a.root_count == b.root_count else {
      return false
    }
    for index in 0..<a.node_count {
      let (a, b) = (a.nodes[index], b.nodes[index])
      guard a.kind == b.kind, a.value == b.value, a.length == b.length, a.end == b.end else { return false }
    }
    return (0..<a.root_count).allSatisfy { a.roots[$0] == b.roots[$0] }
      && (0..<a.arena_count).allSatisfy { a.arena[$0] == b.arena[$0] }
  }
}

/// RESP2 as a server spells it, which is the one way that is read.
private struct Spelling {
  let bytes: [UInt8]
  private var at = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { at == bytes.count }

  mutating func take(_ reply: Reply) {
    switch reply.kind {
    case .string: take(Array("$\(reply.bytes.count)\r\n".utf8) + reply.bytes)
    case .status: take([UInt8(ascii: "+")] + reply.bytes)
    case .error: take([UInt8(ascii: "-")] + reply.bytes)
    case .integer: take(Array(":\(reply.integer ?? 0)".utf8))
    // The one thing that has two spellings.
    case .null: take(Array((at < bytes.count && bytes[at] == UInt8(ascii: "*") ? "*-1" : "$-1").utf8))
    case .array:
      take(Array("*\(reply.count)\r\n".utf8))
      for element in reply.elements { take(element) }
      return
    }
    take(Array("\r\n".utf8))
  }

  private mutating func take(_ text: [UInt8]) {
    expect(bytes[at...].starts(with: text), "byte \(at) is not \(shown(text.prefix(40)))")
    at += text.count
  }
}

/// Everything that the store and the connection make of a reply.
private func examine(_ reply: Reply) {
  let bytes = reply.bytes
  if let number = reply.integer {
    expect(Array(String(number).utf8) == bytes, "\(shown(bytes)) is the number \(number)")
  }
  expect((reply.size ?? 0) >= 0 && (reply.size ?? 0) <= 1 << 50, "a size of \(reply.size ?? 0)")
  let elements = Array(reply.elements)
  expect(elements.count == reply.count, "\(elements.count) of \(reply.count) elements")
  for (position, element) in elements.enumerated().prefix(40) {
    expect(reply[position].index == element.index, "another element at \(position)")
  }
  expect(reply[elements.count].isNull && reply[-1].isNull, "an element beyond the last")

  if let error = reply.error { examine(error, bytes) }
  for text in reply.information.values { expectOneLine(text) }
  for text in reply.configuration.values { expectOneLine(text) }
  expectOneLine(ServerRole(hello: reply).version ?? "")
  for endpoint in [Endpoint.unix(path: "/s"), .tcp(host: "::1", port: 1)] {
    var nodes = ClusterNodes()
    nodes.insert(slots: reply, from: endpoint)
    for case .tcp(_, 0) in nodes.endpoints { expect(false, "a node at port 0") }
  }
  for element in elements { examine(element) }
}

private func examine(_ error: ServerError, _ line: [UInt8]) {
  expectOneLine(error.description)
  expect(error.description.utf8.count <= 8 * 500 + error.code.utf8.count + 1, "a long error stays long")
  expect(!error.text.contains(", with args beginning with"), "arguments are repeated")
  for endpoint in [Endpoint.unix(path: "/s"), .tcp(host: "h", port: 1)] {
    switch Redirection(error, from: endpoint) {
    case .moved(.tcp(let host, let port)), .asked(.tcp(let host, let port)):
      expect(!host.isEmpty && port > 0, "sent to '\(host)', port \(port)")
    case .moved, .asked: expect(false, "sent to a path")
    case .later, .demoted, nil: break
    }
  }
  let translations: [any Error] = [
    error.translated(command: CommandText(name: "GET", key: "k"), server: "s"),
    error.translatedBeforeClosing(server: "s"),
  ]
  for translation in translations {
    expectOneLine("\(translation)")
    expect(ExitStatus(translation) != .bug, "the exit status of a bug")
  }
}

/// Nothing that could command a terminal, break the line or turn its direction around.
func expectOneLine(_ text: String) {
  expect(text.utf8.elementsEqual(visible(text).utf8), "\(text.debugDescription) is shown")
}
