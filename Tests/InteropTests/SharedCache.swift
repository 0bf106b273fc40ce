import TestSupport
import Testing

/// A prefix on a server that both languages use, and a view of its keys that passes through neither.
struct SharedCache {
  let mneme: Mneme
  let redis: RawRedis
  let prefix: String

  /// - Parameters:
  ///   - what: for the reader of a dump.
  ///   - server: the one of all tests of the file unless a test needs its own.
  init(_ what: String, on server: RedisServer? = nil, file: String = #fileID) throws {
    let server = try server ?? RedisServer.shared(for: file)
    prefix = uniquePrefix(what)
    mneme = Mneme(server, prefix: prefix)
    redis = try server.connect()
  }

  /// Runs a snippet of Python with the variables of this prefix; see `PythonPeer`.
  @discardableResult
  func python(_ code: String) throws -> JSONValue {
    try PythonPeer.shared.run(code, url: mneme.url, prefix: prefix)
  }

  func key(_ rest: String) -> String { "\(prefix):\(rest)" }
  func dump() throws -> KeyspaceDump { try redis.dump(prefix: prefix + ":") }
  func fields(of id: Int) throws -> [String: String] { try redis.send("HGETALL", key("entry:\(id)")).pairs }

  /// The members of a sorted set with their scores.
  func scores(_ rest: String) throws -> [String: String] {
    try redis.send("ZRANGE", key(rest), "0", "-1", "WITHSCORES").pairs
  }

  /// Makes every entry look as if it had been written and read so many seconds earlier, as only time can otherwise.
  func age(by seconds: Int) throws {
    for member in try redis.send("ZRANGE", key("by_id"), "0", "-1").texts {
      let entry = try redis.send(
        "HMGET", key("entry:\(member)"), "namespace", "created_at", "last_accessed_at"
      )
      .texts
      guard entry.count == 3, let created = Int(entry[1]), let accessed = Int(entry[2]) else { continue }
      try redis.send(
        "HSET", key("entry:\(member)"), "created_at", "\(created - seconds)", "last_accessed_at",
        "\(accessed - seconds)")
      try redis.send("ZADD", key("lru:\(entry[0])"), "\(accessed - seconds)", member)
    }
    for (member, score) in try scores("by_ttl") {
      let due = try #require(Double(score))
      try redis.send("ZADD", key("by_ttl"), "\(Int(due) - seconds)", member)
    }
  }
}
