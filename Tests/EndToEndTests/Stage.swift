import Foundation
import TestSupport
import Testing

/// What a test of the command works with: a prefix of its own on a server, the command on it, and a view of the
/// keys that does not pass through our code.
struct Stage {
  let mneme: Mneme
  let redis: RawRedis
  let prefix: String

  /// - Parameters:
  ///   - what: for the reader of a dump.
  ///   - server: the one of all tests of the file unless a test needs its own.
  init(
    _ what: String = "test", on server: RedisServer? = nil, prefix: String? = nil, file: String = #fileID
  ) throws {
    let server = try server ?? RedisServer.shared(for: file)
    self.prefix = prefix ?? uniquePrefix(what)
    mneme = Mneme(server, prefix: self.prefix)
    redis = try server.connect()
  }

  func key(_ rest: String) -> String { "\(prefix):\(rest)" }
  func dump() throws -> KeyspaceDump { try redis.dump(prefix: prefix + ":") }

  func fields(of id: Int) throws -> [String: String] { try redis.send("HGETALL", key("entry:\(id)")).pairs }
  func version() throws -> Int { Int(try redis.send("GET", key("version")).integer ?? 0) }
  func entryCount() throws -> Int { try dump().names.count { $0.hasPrefix(key("entry:")) } }

  /// Makes an entry look as if it had been written so many seconds earlier, as only time can otherwise.
  func age(_ id: Int, by seconds: Int) throws {
    let entry = try fields(of: id)
    let created = try #require(entry["created_at"].flatMap { Int($0) }) - seconds
    try redis.send("HSET", key("entry:\(id)"), "created_at", "\(created)")
    if let ttl = entry["ttl"].flatMap({ Int($0) }) {
      try redis.send("ZADD", key("by_ttl"), "\(created + ttl)", "\(id)")
    }
  }

  /// Runs `body` and fails when a key of the prefix changed by it.
  func expectUnchanged(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) throws {
    let before = try dump()
    try body()
    let changes = try dump().changes(since: before)
    #expect(changes.isEmpty, "\(changes)", sourceLocation: sourceLocation)
  }

  /// A command that must be refused: see `refusal(of:…)`.
  @discardableResult
  func refusal(
    of arguments: [String], input: [UInt8] = [], status: Int32, type: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Complaint {
    try TestSupport.refusal(status: status, type: type, sourceLocation: sourceLocation) { extra in
      try mneme.run(extra + arguments, input: input)
    }
  }
}

/// The keys of a cache that stand without any entry: nothing else may be left when all entries are gone.
func isLastingKey(_ name: String, of prefix: String) -> Bool {
  ["meta", "version", "next_id", "quotas"].contains { name == "\(prefix):\($0)" }
    || name.hasPrefix("\(prefix):counters:") || name.hasPrefix("\(prefix):quota:")
}

func jsonLine(_ object: [String: Any]) throws -> String {
  String(decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
    + "\n"
}
