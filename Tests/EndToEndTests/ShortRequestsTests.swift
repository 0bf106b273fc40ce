import TestSupport
import Testing

/// Other clients of a server wait for each request and each transaction, so these are short.
@Suite("Short requests") struct ShortRequestsTests {
  @Test("a transaction stores 8 entries at most, or removes 16, and a page has 200 keys at most")
  func bounded() throws {
    let server = try RedisServer(tcp: true)
    let fixture = try CacheFixture(on: server, prefix: "mneme")
    let mneme = Mneme(url: server.tcpURL, prefix: "mneme")
    let lines = importLines(0..<600, ttl: 3600)
    let monitor = try Monitor(server)

    func expectShort(_ words: String..., input: [UInt8] = [], limit: Int = 16) throws {
      try mneme.run(words, input: input).expecting(0)
      let commands = try monitor.commands()
      let sizes = entries(inTransactionsOf: commands)
      #expect(
        (1...limit).contains(sizes.max() ?? 1), "\(words): \(sizes.max() ?? 0) entries in a transaction")
      for command in commands where ["SCAN", "SSCAN", "HSCAN", "ZSCAN"].contains(command.name) {
        let count = command.words.lastIndex(of: Array("COUNT".utf8)).map { command.text($0 + 1) }
        #expect(count.flatMap { Int($0) }.map { $0 <= 200 } ?? true, "\(command)")
      }
      // Redis compares each watched key with all others that the client watches.
      for command in commands {
        let keys = command.words.count { $0.starts(with: Array("mneme:".utf8)) }
        #expect(keys <= 64, "\(words): \(command.name) of \(keys) keys")
      }
    }
    try expectShort("import", "--embedder", "none", input: lines, limit: 8)
    for policy in ["replace", "skip"] {
      try expectShort("import", "--embedder", "none", "--on-conflict", policy, input: lines, limit: 8)
    }
    try expectShort("inspect-keys", "--check")
    try expectShort("export", "-o", "/dev/null")
    try fixture.age(Array(1...300), by: 7200)
    _ = try monitor.commands()
    try expectShort("vacuum")
    try expectShort("set-quota", "--evict", "default", "100")
    try expectShort("clear", "--yes", "--all")
    #expect(try fixture.entryCount() == 0)
  }

  /// Counts the entries that each transaction writes or removes.
  private func entries(inTransactionsOf commands: [Monitor.Command]) -> [Int] {
    var sizes: [Int] = []
    let entry = Array("mneme:entry:".utf8)
    for (_, sent) in Dictionary(grouping: commands, by: \.client) {
      var touched: Set<[UInt8]>?
      for command in sent {
        switch command.name {
        case "MULTI": touched = []
        case "EXEC":
          // An empty one asks whether the server takes transactions.
          if let touched, !touched.isEmpty { sizes.append(touched.count) }
          touched = nil
        default: touched?.formUnion(command.words.filter { $0.starts(with: entry) })
        }
      }
    }
    return sizes
  }
}
