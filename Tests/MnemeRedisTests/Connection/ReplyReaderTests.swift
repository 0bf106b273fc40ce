import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Parsing replies")
struct ReplyReaderTests {
  /// Parses a whole stream, in pieces of the sizes that `nextSize` gives.
  private func parse(
    _ bytes: [UInt8], wanted: Int, limit: Int = 1 << 20, sizes nextSize: () -> Int = { .max }
  ) throws -> Replies {
    let reader = try ReplyReader(limit: limit)
    reader.begin()
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = rest.prefix(max(1, nextSize()))
      try piece.withUnsafeBytes { try reader.feed($0, wanted: wanted) }
      rest = rest.dropFirst(piece.count)
    }
    return Replies(tape: reader.tape, skipped: 0)
  }

  @Test("Any replies, in pieces of any size, are parsed unchanged")
  func roundTrip() throws {
    var random = SeededGenerator()
    for _ in 0..<300 {
      let values = (0..<Int.random(in: 1...5, using: &random)).map { _ in value(depth: 0, &random) }
      let bytes = values.flatMap(encode)
      let longest = Int.random(in: 1...64, using: &random)
      let replies = try parse(bytes, wanted: values.count) { Int.random(in: 1...longest, using: &random) }
      #expect(replies.map(decode) == values)
    }
  }

  @Test("Bytes changed at random are replies or an error, and never more than requested")
  func mutation() throws {
    var random = SeededGenerator()
    var failures = 0
    for _ in 0..<3000 {
      var bytes = (0..<3).flatMap { _ in encode(value(depth: 0, &random)) }
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        bytes[place] = [UInt8](" \r\n+-:$*019\u{0}".utf8).randomElement(using: &random)!
      }
      do {
        let replies = try parse(bytes, wanted: 3) { Int.random(in: 1...16, using: &random) }
        #expect(replies.count <= 3)
        for reply in replies { _ = decode(reply) }
      } catch is ProtocolViolation {
        failures += 1
      }
    }
    #expect(failures > 1000)
  }

  @Test(
    "Bytes that no Redis server sends are refused",
    arguments: [
      ("HTTP/1.1 400 Bad Request\r\n", "begins like no reply"),
      ("\u{0}", "begins like no reply"),
      ("_\r\n", "begins like no reply"),
      ("#t\r\n", "begins like no reply"),
      ("%1\r\n", "begins like no reply"),
      ("\r\n", "begins like no reply"),
      (":\r\n", "not a number"),
      (":1x\r\n", "not a number"),
      (":-0\r\n", "not a number"),
      (":01\r\n", "not a number"),
      (":+1\r\n", "not a number"),
      (":--1\r\n", "not a number"),
      (": 1\r\n", "not a number"),
      (":9223372036854775808\r\n", "not a number"),
      (":-9223372036854775809\r\n", "not a number"),
      (":99999999999999999999\r\n", "not a number"),
      ("$-2\r\n", "not a number"),
      ("$x\r\n", "not a number"),
      ("$\r\n", "not a number"),
      ("*-2\r\n", "not a number"),
      ("*1x\r\n", "not a number"),
      ("$3\r\nabcd\r\n", "length"),
      ("$3\r\nabc\rx", "length"),
      ("$0\r\nx", "length"),
      (":1\rx", "length"),
      ("+OK\n", "length"),
      ("$1048577\r\n", "more than 1 MiB"),
      ("$9999999999999999999\r\n", "more than 1 MiB"),
      ("*1048576\r\n", "more than 1 MiB"),
      ("*2147483648\r\n", "more than 1 MiB"),
      ("*9223372036854775807\r\n", "more than 1 MiB"),
      ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "deeper than 7"),
      ("+OK\r\n+OK\r\n", "more replies"),
      ("+OK\r\nx", "more replies"),
    ])
  func refused(text: String, why: String) throws {
    for size in [1, 2, 3, .max] {
      let error = #expect(throws: ProtocolViolation.self) {
        try parse(Array(text.utf8), wanted: 1, sizes: { size })
      }
      #expect(error?.description.contains(why) == true, "\(String(describing: error))")
    }
  }

  @Test("Numbers, strings, lines and arrays are accepted up to their limits")
  func limits() throws {
    let text = ":9223372036854775807\r\n:-9223372036854775808\r\n:0\r\n"
    #expect(try parse(Array(text.utf8), wanted: 3).map(\.integer) == [.max, .min, 0])
    let deepest = String(repeating: "*1\r\n", count: 7) + ":1\r\n"
    #expect(try parse(Array(deepest.utf8), wanted: 1).count == 1)

    let line = [UInt8](repeating: 0x78, count: 64 << 10)
    #expect(try parse(Array("-".utf8) + line + Array("\r\n".utf8), wanted: 1)[0].kind == .error)
    #expect(throws: ProtocolViolation.self) { try parse(Array("-".utf8) + line + [0x78], wanted: 1) }

    // A node takes 24 bytes, and a string its own bytes in addition.
    let string = Array("$100\r\n".utf8) + [UInt8](repeating: 0x78, count: 100) + Array("\r\n".utf8)
    #expect(try parse(string, wanted: 1, limit: 124)[0].withBytes { $0.count } == 100)
    #expect(throws: ProtocolViolation.self) { try parse(string, wanted: 1, limit: 123) }
    #expect(throws: ProtocolViolation.self) { try parse(string + string, wanted: 2, limit: 247) }
  }

  @Test("An element that is not there is null")
  func missingElements() throws {
    let replies = try parse(Array("*2\r\n:1\r\n*1\r\n:2\r\n+OK\r\n".utf8), wanted: 2)
    #expect(replies[0][1][0].integer == 2)
    #expect(
      replies[0][2].isNull && replies[0][-1].isNull && replies[0][1][1][5].isNull && replies[1][0].isNull)
    #expect(Array(replies[1].elements).isEmpty)
  }

  @Test("Replies that are kept stay as they are when the next exchange begins")
  func kept() throws {
    let reader = try ReplyReader(limit: 1 << 20)
    func exchange(_ text: String) throws -> Replies {
      reader.begin()
      try Array(text.utf8).withUnsafeBytes { try reader.feed($0, wanted: 1) }
      return Replies(tape: reader.tape, skipped: 0)
    }
    let first = try exchange("$5\r\nfirst\r\n")
    let second = try exchange("*2\r\n$6\r\nsecond\r\n:2\r\n")
    #expect(first[0].string == "first")
    #expect(second[0][0].string == "second")
    #expect(try exchange("+third\r\n")[0].string == "third")
    #expect(second[0][1].integer == 2)
  }

  @Test(
    "A string of digits is a number where it is written as Redis writes one",
    arguments: [
      ("0", 0), ("7", 7), ("-7", -7), ("9223372036854775807", .max), ("-9223372036854775808", .min),
      ("9223372036854775808", nil), ("-9223372036854775809", nil), ("", nil), ("-", nil), ("+1", nil),
      ("01", nil),
      ("-0", nil), ("1 ", nil), (" 1", nil), ("1.0", nil), ("1e3", nil), ("٣", nil), ("ns|12", nil),
    ] as [(String, Int64?)])
  func strictDecimal(text: String, number: Int64?) throws {
    let bytes = Array("$\(text.utf8.count)\r\n\(text)\r\n".utf8)
    #expect(try parse(bytes, wanted: 1)[0].integer == number)
  }

  // MARK: Values of the tests' own parser

  private func value(depth: Int, _ random: inout SeededGenerator) -> RESPValue {
    switch Int.random(in: 0...(depth < 6 ? 7 : 5), using: &random) {
    case 0: .simple(text(&random))
    case 1: .error(text(&random))
    case 2: .integer(Int64.random(in: .min ... .max, using: &random))
    case 3: .null
    case 4, 5:
      .bulk((0..<Int.random(in: 0...40, using: &random)).map { _ in .random(in: 0...255, using: &random) })
    default: .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth: depth + 1, &random) })
    }
  }

  private func text(_ random: inout SeededGenerator) -> String {
    String(repeating: "A", count: Int.random(in: 1...5, using: &random))
  }

  private func encode(_ value: RESPValue) -> [UInt8] {
    switch value {
    case .simple(let text): Array("+\(text)\r\n".utf8)
    case .error(let text): Array("-\(text)\r\n".utf8)
    case .integer(let number): Array(":\(number)\r\n".utf8)
    case .null: Array("$-1\r\n".utf8)
    case .bulk(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    case .array(let items): Array("*\(items.count)\r\n".utf8) + items.flatMap(encode)
    }
  }

  /// By walking over the elements, and again by subscript.
  private func decode(_ reply: Reply) -> RESPValue {
    switch reply.kind {
    case .status: return .simple(reply.string ?? "")
    case .error: return .error(reply.error?.description ?? "")
    case .integer: return .integer(reply.integer ?? 0)
    case .null: return .null
    case .string: return .bulk(reply.bytes)
    case .array:
      let items = reply.elements.map(decode)
      #expect(items == (0..<reply.count).map { decode(reply[$0]) })
      return .array(items)
    }
  }
}
