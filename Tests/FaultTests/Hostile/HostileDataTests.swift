import Foundation
import TestSupport
import Testing

/// Tests of entries and indexes written by a hostile client of the same server: each command stays bounded, reports the
/// damage, and serves the valid entries as before.
@Suite("Hostile data")
struct HostileDataTests {
  /// `MNEME_ENEMY_BYTES` and `MNEME_ENEMY_NAMESPACES` make it worse: 512 MB, millions.
  static let largeField = number("MNEME_ENEMY_BYTES") ?? (Effort.isThorough ? 32 << 20 : 8 << 20)
  static let namespaces = number("MNEME_ENEMY_NAMESPACES") ?? (Effort.isThorough ? 5000 : 2000)

  private static func number(_ variable: String) -> Int? {
    ProcessInfo.processInfo.environment[variable].flatMap { Int($0) }
  }

  /// The lines that read, and one of each command that writes.
  static let lines =
    CommandExample.withServer.filter { $0.use == .reads || $0.isMainForm && $0.command != "drop" } + [
      CommandExample(.reads, "inspect-keys --discover"),
      CommandExample(.reads, "export --embeddings array -o FILE"),
      CommandExample(.reads, "vacuum --repair --dry-run"), CommandExample(.reads, "clear --dry-run --all"),
    ]

  /// One kind of hostile data: its name, and the keys that it writes under a prefix.
  struct Attack: Sendable, CustomTestStringConvertible {
    let name: String
    let write: @Sendable (Enemy) throws -> Void
    var testDescription: String { name }
  }

  static let attacks = [
    Attack(name: "a response of many megabytes") { enemy in
      try enemy.entry(900, fields: ["response": Array(repeating: UInt8(ascii: "x"), count: largeField)])
    },
    Attack(name: "metadata of a million nested arrays") { enemy in
      let nested = String(repeating: "[", count: 1_000_000) + String(repeating: "]", count: 1_000_000)
      try enemy.entry(900, fields: ["metadata": Array("{\"a\":\(nested)}".utf8)])
    },
    Attack(name: "a crowd of namespaces") { enemy in
      for start in stride(from: 0, to: namespaces, by: 1000) {
        try enemy.send(["SADD", enemy.key("namespaces")] + (start..<start + 1000).map { "crowd \($0)" })
      }
    },
    Attack(name: "names that imitate other families") { enemy in
      for name in ["hash:x:entry:1", "entry:1", ":", "lru:default", "a|1", "*", "\u{1B}]0;owned\u{7}"] {
        try enemy.send(["SADD", enemy.key("namespaces"), name])
        try enemy.send(["ZADD", enemy.key("lru:\(name)"), "5", "1", "6", "900"])
        try enemy.send(["SET", enemy.key("hash:\(name):\(String(repeating: "a", count: 64))"), "1"])
      }
      for key in [
        "entry:", "entry:01", "entry:1:2", "lru:", "hash:", "hash::", "meta:", "quota:", "counters:",
      ] {
        try enemy.send(["SET", enemy.key(key), "mine"])
      }
    },
    Attack(name: "index members that are not ids, point to each other and to nothing") { enemy in
      let members = [
        "-1", "0", "01", "1 ", "abc", "", "99999999999999999999", "9223372036854775807", "default|1", "|",
        "x|y|1",
      ]
      for member in members {
        for index in ["by_id", "by_ttl", "lru:default"] {
          try enemy.send(["ZADD", enemy.key(index), "7", member])
        }
      }
      try enemy.send(["ZADD", enemy.key("by_ttl"), "-inf", "2", "inf", "3", "1e308", "default|2"])
      for number in 1...3 {
        let hash = String(repeating: "\(number)", count: 64)
        try enemy.send(["SET", enemy.key("hash:default:\(hash)"), "\(number % 3 + 1)"])
      }
    },
    Attack(name: "vectors of NaN, of infinities, of zeros and of another length") { enemy in
      let nan: [UInt8] = [0, 0, 192, 127], infinity: [UInt8] = [0, 0, 128, 127]
      for (id, piece) in [(900, nan), (901, infinity), (902, [0, 0, 0, 0])] {
        try enemy.entry(id, fields: ["embedding": Array(repeatElement(piece, count: 384).joined())])
      }
      try enemy.entry(903, fields: ["embedding": [1, 2, 3]])
    },
    Attack(name: "numbers beyond all") { enemy in
      let number = "99999999999999999999999999"
      for field in ["created_at", "last_accessed_at", "ttl", "access_count"] {
        try enemy.entry(900, fields: [field: Array(number.utf8)])
      }
      try enemy.entry(
        901,
        fields: ["created_at": Array("9223372036854775807".utf8), "ttl": Array("9223372036854775807".utf8)])
      try enemy.entry(
        902, fields: ["created_at": Array("-9223372036854775808".utf8), "ttl": Array("1".utf8)])
      try enemy.send([
        "HSET", enemy.key("counters:default"), "misses", "9223372036854775807", "hits_exact", "-5",
      ])
      try enemy.send(["HSET", enemy.key("quotas"), "other", number])
    },
    Attack(name: "escape sequences, bidirectional text and formulas everywhere") { enemy in
      let text = "=cmd|' /C calc'!A0 \u{1B}[2J\u{1B}]52;c;cm0=\u{7}\u{202E}gnp.exe\u{9B}31m\u{0}\r\n\u{2066}"
      try enemy.entry(
        900, fields: ["query": Array(text.utf8), "response": Array(text.utf8), "namespace": Array(text.utf8)])
      try enemy.send(["SADD", enemy.key("namespaces"), text])
      try enemy.send(["ZADD", enemy.key("lru:\(text)"), "5", "900"])
      try enemy.send(["HSET", enemy.key("quotas"), text, text])
      try enemy.send([
        "HSET", enemy.key("meta"), "counters", "{\"\(text):misses\":1e999}", "counted:\(text)", "1",
      ])
    },
  ]

  /// The time limit. It may grow with the amount of damage to report.
  private static let patience = Duration.seconds(300 + namespaces / 2000)

  @Test("leaves every command bounded and its reports true", arguments: attacks)
  func attack(_ attack: Attack) throws {
    let fixture = try CacheFixture("enemy")
    try CommandExample.sampleCache(fixture)
    try attack.write(Enemy(fixture))
    let directory = try TemporaryDirectory()
    let turn = Self.attacks.firstIndex { $0.name == attack.name } ?? 0
    for line in Effort.share(of: Self.lines, turn: turn) {
      let file = line.words.contains("sqlite") ? directory.path("cache.db") : "/dev/null"
      let words = line.words(file: file, other: fixture.prefix + "2")
      let outcome = try fixture.mneme.start(words, memoryLimit: Self.mebibytes)
        .finish(input: line.input, within: Self.patience)
      // Done, an answer that is no, or damage with a warning.
      #expect([0, 1, 65].contains(outcome.status), "\(outcome)")
      #expect(outcome.status != 65 || !outcome.errors.isEmpty, "\(outcome)")
      #expect(!outcome.errors.contains(0x1B) && !outcome.errors.contains(0x07), "\(outcome)")
    }
    try expectSoundAnswers(fixture)
    let repair = try fixture.mneme.start(["vacuum", "--repair"], memoryLimit: Self.mebibytes)
      .finish(within: Self.patience)
    #expect([0, 1, 65].contains(repair.status), "\(repair)")
    try expectSoundAnswers(fixture)
  }

  /// Six times what is needed for the largest field, and what a command needs anyhow.
  private static let mebibytes = 700 + 6 * (largeField >> 20)

  private func expectSoundAnswers(_ fixture: CacheFixture) throws {
    for number in 11...13 {
      let outcome = try fixture.mneme.run("get", "--exact", "--peek", "question \(number)")
      #expect(outcome.outputText == "answer \(number)\n", "\(outcome)")
    }
  }
}

/// A writer that does not use the library.
struct Enemy {
  private let fixture: CacheFixture

  init(_ fixture: CacheFixture) { self.fixture = fixture }

  func key(_ rest: String) -> String { fixture.key(rest) }

  func send(_ words: [String]) throws { try fixture.redis.send(words.map { Array($0.utf8) }) }

  /// A copy of the first entry under another id, listed where an entry is, with some fields of the enemy's.
  func entry(_ id: Int, fields: [String: [UInt8]]) throws {
    try send(["COPY", key("entry:1"), key("entry:\(id)"), "REPLACE"])
    let hash = String(repeating: "e", count: 61) + "\(id)"
    try send(["HSET", key("entry:\(id)"), "query_hash", hash])
    for (field, value) in fields {
      try fixture.redis.send([Array("HSET".utf8), Array(key("entry:\(id)").utf8), Array(field.utf8), value])
    }
    try send(["SET", key("hash:default:\(hash)"), "\(id)"])
    try send(["ZADD", key("by_id"), "\(id)", "\(id)"])
    try send(["ZADD", key("lru:default"), "1", "\(id)"])
    try send(["ZADD", key("by_ttl"), "5", "\(id)"])
    try send(["SET", key("next_id"), "1000"])
  }
}
