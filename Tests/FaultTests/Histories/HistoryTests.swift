import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// Random histories of every store operation, played on a store and on a plain model side by side.
///
/// A failure names its seed and prints the shortest history that still shows it.
@Suite("Histories")
struct HistoryTests {
  /// The number of histories that each shard plays, as a factor.
  static let scale = Effort.rounds(30, thorough: 60)

  @Test("a MemoryStore is the model of stores", arguments: [1, 2] as [UInt64])
  func memory(shard: UInt64) throws {
    try play(shard, count: 2 * Self.scale, HistoryKind()) { history in
      try HistoryRun(places: 2, losesStillborn: false) { _ in MemoryStore() }.play(
        history.filter { $0.step != .reopen })
    }
  }

  @Test(
    "a RedisStore does what the model does, and every key fits the others", arguments: [1, 2] as [UInt64])
  func redis(shard: UInt64) throws {
    try playOnRedis(shard, count: Self.scale, HistoryKind(), nativeTTL: false)
  }

  @Test("so does one with native expiry, leftovers included", arguments: [1, 2] as [UInt64])
  func nativeTTL(shard: UInt64) throws {
    try playOnRedis(shard, count: Self.scale / 2, HistoryKind(hasStillborn: true), nativeTTL: true)
  }

  @Test("a fault in the model is found, and shrunk to the step that matters")
  func shrinks() throws {
    let history = history(seed: 7, HistoryKind(steps: 40...40))
    func fails(_ steps: [PlacedStep]) -> Bool {
      steps.contains { if case .insert(_, 3, _, _) = $0.step { true } else { false } }
    }
    try #require(fails(history))
    #expect(shrunk(history, fails: fails).count == 1)

    let forgetful = Forgetful()
    #expect(throws: Divergence.self) {
      try HistoryRun(places: 1, losesStillborn: false) { _ in forgetful.store }.play([
        PlacedStep(place: 0, step: .insert(namespace: 0, query: 0, lifetime: nil, evicting: nil)),
        PlacedStep(place: 0, step: .wait(1)), PlacedStep(place: 0, step: .reopen),
      ])
    }
  }

  /// Each store that it gives is a new one, so that reopening loses all.
  private final class Forgetful {
    var store: any CacheStore { MemoryStore() }
  }

  // MARK: Playing many

  private func playOnRedis(_ shard: UInt64, count: Int, _ kind: HistoryKind, nativeTTL: Bool) throws {
    let server = try RedisServer()
    let redis = try server.connect()
    // A careless pattern would take the second for keys of the first, or the reverse.
    let prefixes = ["h*[1]", "h*[1]:entry", "h"]
    try play(shard, count: count, kind) { history in
      try redis.send("FLUSHALL")
      try redis.send("SET", "h:not:ours", "a neighbour's")
      let run = try HistoryRun(places: kind.places, losesStillborn: nativeTTL) { place in
        try RedisStore(url: server.url, keyPrefix: prefixes[place], useNativeTTL: nativeTTL)
      }
      try run.play(history)
      try run.sweep()
      for (place, prefix) in prefixes.prefix(kind.places).enumerated() {
        // The second cache's own keys lie among the first one's `entry:` keys, told apart by what is not an id.
        let keys = try redis.dump(prefix: prefix + ":").without { name in
          place == 0 && name.hasPrefix(prefixes[1] + ":") && Int(name.dropFirst(prefixes[1].count + 1)) == nil
        }
        let problems = LayoutAudit(keys, prefix: prefix).problems
        guard problems.isEmpty else {
          throw Divergence(what: "the keys on \(place): \(problems.joined(separator: "; "))")
        }
        let store = try RedisStore(url: server.url, keyPrefix: prefix)
        defer { store.close() }
        // The clock of a history may be ahead.
        let found = try store.check().filter { $0.kind != .futureEntry }.map { "\($0.kind): \($0.detail)" }
        guard found.isEmpty else {
          throw Divergence(what: "the check on \(place): \(found.joined(separator: "; "))")
        }
      }
      guard try redis.send("GET", "h:not:ours").text == "a neighbour's" else {
        throw Divergence(what: "a neighbour's key was touched")
      }
    }
  }

  private func play(
    _ shard: UInt64, count: Int, _ kind: HistoryKind, on fixture: ([PlacedStep]) throws -> Void
  ) throws {
    for round in SeededGenerator.seeds(count) {
      let seed = shard << 32 | round
      let steps = history(seed: seed, kind)
      guard let first = failure(of: steps, on: fixture) else { continue }
      let shortest = shrunk(steps) { failure(of: $0, on: fixture) != nil }
      let script = shortest.map(\.description).joined(separator: "\n")
      let last = failure(of: shortest, on: fixture) ?? first
      Issue.record("history of MNEME_SEED=\(round), \(last), shortened to:\n\(script)")
      return
    }
  }

  private func failure(of steps: [PlacedStep], on fixture: ([PlacedStep]) throws -> Void) -> String? {
    do {
      try fixture(steps)
      return nil
    } catch {
      return "\(error)"
    }
  }
}
