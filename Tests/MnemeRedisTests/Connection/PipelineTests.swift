import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Pipelines")
struct PipelineTests {
  @Test("Commands are encoded as arrays of strings, whatever their arguments are made of")
  func encoding() {
    let text = "a:é\u{0}\r\n🦊"
    var pipeline = Pipeline()
    pipeline.append("PING")
    pipeline.append("SET", text, text.dropFirst(2), [UInt8](0...255), [UInt8](0...255)[3..<7])
    pipeline.append("LRANGE", "k", 0, -1, Int64.min, Int64.max)
    pipeline.begin("DEL", argumentCount: 2)
    pipeline.argument("k")
    [UInt8](repeating: 7, count: 3).withUnsafeBytes { pipeline.argument(raw: $0) }
    pipeline.append("ECHO", "")
    func words(_ text: String...) -> [[UInt8]] { text.map { Array($0.utf8) } }
    let expected =
      RESPValue.command(words("PING"))
      + RESPValue.command(words("SET", text, String(text.dropFirst(2))) + [Array(0...255), Array(3..<7)])
      + RESPValue.command(words("LRANGE", "k", "0", "-1", "\(Int64.min)", "\(Int64.max)"))
      + RESPValue.command(words("DEL", "k") + [[7, 7, 7]])
      + RESPValue.command(words("ECHO", ""))
    #expect(pipeline.bytes == expected)
    #expect(pipeline.count == 5)
    #expect(pipeline.byteCount == expected.count)
    pipeline.removeAll()
    #expect(pipeline.isEmpty && pipeline.byteCount == 0)
  }

  @Test("A command is read back with its key and without its values")
  func readBack() {
    var pipeline = Pipeline()
    pipeline.append("MULTI")
    pipeline.append("HSET", "p:entry:1", "query", "private")
    pipeline.append("AUTH", "alice", "private")
    pipeline.append("MEMORY", "USAGE", "p:meta")
    pipeline.append("SCAN", 0, "MATCH", "private")
    pipeline.append("GET", "a\u{1b}[31m" + String(repeating: "x", count: 300))
    let commands = (0..<6).map { pipeline.command(at: $0)?.description }
    #expect(commands[0..<5] == ["MULTI", "HSET p:entry:1", "AUTH", "MEMORY p:meta", "SCAN"])
    #expect(commands[5]?.hasPrefix("GET a^[[31mxxx") == true)
    #expect(commands[5]?.utf8.count ?? 0 < 220)
    #expect(pipeline.command(at: 6) == nil)
  }

  @Test("Some of the commands can be sent again by themselves")
  func selection() {
    var pipeline = Pipeline()
    for number in 0..<5 { pipeline.append("GET", number) }
    var expected = Pipeline()
    expected.append("GET", 1)
    expected.append("GET", 4)
    #expect(pipeline.commands(at: [1, 4]).bytes == expected.bytes)
    var asking = Pipeline()
    asking.append("ASKING")
    asking.append("GET", 0)
    #expect(pipeline.commands(at: [0], each: "ASKING").bytes == asking.bytes)
    #expect(pipeline.commands(at: [0], each: "ASKING").count == 2)
  }

  @Test("A pipeline knows that it watches")
  func watching() {
    var pipeline = Pipeline()
    pipeline.append("GET", "WATCH")
    #expect(!pipeline.watches)
    pipeline.append("WATCH", "k")
    #expect(pipeline.watches)
    pipeline.removeAll()
    #expect(!pipeline.watches)
  }
}
