import Mneme
import MnemeRedis
import StoreConformance
import TestSupport
import Testing

/// `RedisStore` on a real server, each case under a prefix of its own. After each case every key is held
/// against the layout.
@Suite struct StoreBatteryTests {
  @Test("RedisStore keeps the contract of stores", arguments: StoreBattery.cases(sharing: true))
  func plain(rule: StoreCase) throws {
    try check(rule) { try RedisStore(url: $0, keyPrefix: $1) }
  }

  @Test("RedisStore with native expiry keeps it too", arguments: StoreBattery.cases(sharing: true))
  func nativeTTL(rule: StoreCase) throws {
    try check(rule) { try RedisStore(url: $0, keyPrefix: $1, useNativeTTL: true) }
  }

  private func check(
    _ rule: StoreCase, make: @escaping @Sendable (_ url: String, _ prefix: String) throws -> any Store
  ) throws {
    let server = try RedisServer.shared()
    // Two prefixes that a careless pattern would take for one.
    let prefix = uniquePrefix("a*[b]?\\")
    let redis = try server.connect()
    defer { try? redis.removeKeys(beginningWith: String(prefix.prefix { $0 != "*" })) }
    try redis.send("SET", prefix.replacing("*", with: "x") + ":entry:1", "a neighbour's")
    try rule.check(StorePlace(sharing: true) { try make(server.url, prefix) })
    let problems = LayoutAudit(try redis.dump(prefix: prefix + ":"), prefix: prefix).problems
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    #expect(try redis.send("GET", prefix.replacing("*", with: "x") + ":entry:1").text == "a neighbour's")
  }
}
