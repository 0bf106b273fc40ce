import Foundation
import Testing

/// The surroundings of a test of a cache: a prefix of its own on a server, the command, and a view of the keys that
/// does not use the code under test.
package struct CacheFixture {
  package let server: RedisServer
  package let mneme: Mneme
  /// Shares no code with the library.
  package let redis: RawRedis
  package var prefix: String { mneme.prefix }

  /// - Parameters:
  ///   - what: for the reader of a dump.
  ///   - server: the one of all tests of the file unless a test needs its own.
  package init(
    _ what: String = "test", on server: RedisServer? = nil, prefix: String? = nil, file: String = #fileID
  ) throws {
    let server = try server ?? RedisServer.shared(for: file)
    try self.init(server, Mneme(server, prefix: prefix ?? uniquePrefix(what)))
  }

  /// On a server of its own with these lines of configuration.
  package init(_ what: String, configuration: [String]) throws {
    try self.init(what, on: RedisServer(configuration: configuration))
  }

  private init(_ server: RedisServer, _ mneme: Mneme) throws {
    (self.server, self.mneme) = (server, mneme)
    redis = try server.connect()
  }

  /// The cache on a connection of its own, for another thread or a server that has come back.
  package func again() throws -> CacheFixture { try CacheFixture(server, mneme) }

  /// Another prefix on the same server.
  package func again(_ prefix: String) throws -> CacheFixture {
    try CacheFixture(server, mneme.with(prefix: prefix))
  }

  // MARK: Looking

  package func key(_ rest: String) -> String { "\(prefix):\(rest)" }
  package func dump() throws -> KeyspaceDump { try redis.dump(prefix: prefix + ":") }
  package func fields(of id: Int) throws -> [String: String] {
    try redis.send("HGETALL", key("entry:\(id)")).pairs
  }

  /// The members of a sorted set with their scores.
  package func scores(_ rest: String) throws -> [String: String] {
    try redis.send("ZRANGE", key(rest), "0", "-1", "WITHSCORES").pairs
  }

  package func version() throws -> Int { Int(try redis.send("GET", key("version")).integer ?? 0) }
  package func entryCount() throws -> Int { try dump().names.count { $0.hasPrefix(key("entry:")) } }

  /// The inconsistencies in the cache.
  package func problems() throws -> [String] { try LayoutAudit(dump(), prefix: prefix).problems }

  package func expectSound(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let problems = try problems()
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))", sourceLocation: sourceLocation)
  }

  /// Runs `body` and fails when a key of the prefix changed by it.
  package func expectUnchanged(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) throws {
    let before = try dump()
    try body()
    let changes = try dump().changes(since: before)
    #expect(changes.isEmpty, "\(changes)", sourceLocation: sourceLocation)
  }

  /// A command that must be refused: see `refusal(status:…)`.
  @discardableResult
  package func refusal(
    of arguments: [String], input: [UInt8] = [], status: Int32, type: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Complaint {
    try TestSupport.refusal(status: status, type: type, sourceLocation: sourceLocation) { extra in
      try mneme.run(extra + arguments, input: input)
    }
  }

  // MARK: Filling

  /// Puts a prepared cache under the prefix: a copy of what `make` has written the first time that the name was met in
  /// this process. That takes one round trip, and no start of the command.
  package func fill(from name: String, _ make: (CacheFixture) throws -> Void) throws {
    try PreparedCache.named(name, make).copy(to: self)
  }

  // MARK: Time

  /// Makes an entry look as if it had been written so many seconds earlier, as only time can otherwise.
  package func age(_ id: Int, by seconds: Int) throws { try age([id], by: seconds) }

  /// Makes entries look as if they had been written and read so many seconds earlier.
  /// - Parameter chosen: all entries when nil, and members of `by_ttl` whose entry is gone.
  package func age(_ chosen: [Int]? = nil, by seconds: Int) throws {
    let ids = try chosen?.map(String.init) ?? redis.send("ZRANGE", key("by_id"), "0", "-1").texts
    let found = try redis.pipeline(
      ids.map { id in
        ["HMGET", key("entry:\(id)"), "namespace", "created_at", "last_accessed_at", "ttl"].map {
          Array($0.utf8)
        }
      })
    var commands = [["MULTI"]]
    if chosen == nil {
      for member in try redis.send("ZRANGE", key("by_ttl"), "0", "-1").texts
      where !ids.contains(String(member.split(separator: "|").last ?? "")) {
        commands.append(["ZINCRBY", key("by_ttl"), "\(-seconds)", member])
      }
    }
    for (id, entry) in zip(ids, found.map(\.items)) where entry.count == 4 {
      guard let created = entry[1].integer, let accessed = entry[2].integer, let namespace = entry[0].text
      else { continue }
      let moved = (created: Int(created) - seconds, accessed: Int(accessed) - seconds)
      commands.append([
        "HSET", key("entry:\(id)"), "created_at", "\(moved.created)", "last_accessed_at", "\(moved.accessed)",
      ])
      commands.append(["ZADD", key("lru:\(namespace)"), "\(moved.accessed)", id])
      // Python writes another member for the same entry.
      if let ttl = entry[3].integer {
        for member in [id, "\(namespace)|\(id)"] {
          commands.append(["ZADD", key("by_ttl"), "XX", "\(moved.created + Int(ttl))", member])
        }
      }
    }
    // Together, so that a server that is killed afterwards has all or nothing.
    _ = try redis.pipeline((commands + [["EXEC"]]).map { words in words.map { Array($0.utf8) } })
  }

  /// Waits until the server has done, or dropped, all that a command which is gone had sent.
  package func awaitNoOtherClients() throws {
    try eventually("no client of a command that is gone") {
      try redis.send("CLIENT", "LIST").text?.contains("name=mneme") != true
    }
  }
}

/// A line for `import`.
package func jsonLine(_ object: [String: Any]) throws -> String {
  String(decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
    + "\n"
}

/// Lines for `import`: so many different queries, each with an answer that tells who wrote it.
package func importLines(
  _ queries: some Sequence<Int>, namespace: String = "default", ttl: Int? = nil, by writer: String = "answer"
) -> [UInt8] {
  let lifetime = ttl.map { ",\"ttl\":\($0)" } ?? ""
  return Array(
    queries.map { number in
      #"{"namespace":"\#(namespace)","query":"query \#(number)","response":"\#(writer) \#(number)"\#(lifetime)}"#
        + "\n"
    }.joined().utf8)
}

/// Whether a key may exist without any entry. No other may be left when all entries are gone.
package func isLastingKey(_ name: String, of prefix: String) -> Bool {
  ["meta", "version", "next_id", "quotas"].contains { name == "\(prefix):\($0)" }
    || name.hasPrefix("\(prefix):counters:") || name.hasPrefix("\(prefix):quota:")
}
