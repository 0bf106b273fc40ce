import Synchronization

/// A cache that was made once, to be copied under the prefixes of many tests.
package struct PreparedCache: Sendable {
  private let keys: [(rest: [UInt8], lifetime: Int64, payload: [UInt8])]

  private static let prepared = Mutex<[String: PreparedCache]>([:])

  /// The cache of this name, which `make` fills when it is asked for the first time.
  ///
  /// Tests that want the same one at the same time may each make it: nobody waits for another. All get the one that is
  /// made first.
  package static func named(_ name: String, _ make: (CacheFixture) throws -> Void) throws -> PreparedCache {
    if let cache = prepared.withLock({ $0[name] }) { return cache }
    let fixture = try CacheFixture("prepared")
    try make(fixture)
    let cache = try PreparedCache(of: fixture)
    return prepared.withLock { known in
      let first = known[name] ?? cache
      known[name] = first
      return first
    }
  }

  /// A copy of every key under the prefix of a fixture.
  package init(of fixture: CacheFixture) throws {
    let names = try fixture.redis.names(beginningWith: fixture.prefix + ":")
    let replies = try fixture.redis.pipeline(
      names.flatMap { [[Array("DUMP".utf8), $0], [Array("PTTL".utf8), $0]] })
    keys = names.enumerated().compactMap { index, name in
      guard let payload = replies[2 * index].bytes, let lifetime = replies[2 * index + 1].integer else {
        return nil
      }
      return (Array(name.dropFirst(fixture.prefix.utf8.count)), max(lifetime, 0), payload)
    }
  }

  /// Writes the keys under the prefix of another fixture, on any server.
  package func copy(to fixture: CacheFixture) throws {
    try copy(to: fixture.prefix, fixture.redis)
  }

  package func copy(to prefix: String, _ redis: RawRedis) throws {
    let replies = try redis.pipeline(
      keys.map { rest, lifetime, payload in
        [Array("RESTORE".utf8), Array(prefix.utf8) + rest, Array("\(lifetime)".utf8), payload]
      })
    for reply in replies {
      if case .error(let text) = reply { throw RawRedis.ServerError(description: "RESTORE: \(text)") }
    }
  }
}
