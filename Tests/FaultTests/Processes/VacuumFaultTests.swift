import Foundation
import TestSupport
import Testing

/// Tests of vacuums on connections that break: each entry is removed and counted once, with every outcome of the
/// command.
@Suite("Vacuums on a connection that breaks")
struct VacuumFaultTests {
  static let count = Effort.rounds(8, thorough: 20)

  @Test(
    "exactly the counted entries are gone, and the next run removes the rest")
  func broken() throws {
    let origin = try CacheFixture("vacuum")
    for round in SeededGenerator.seeds(Self.count) {
      var random = SeededGenerator(seed: round)
      try vacuum(origin, dying: 1...150, "MNEME_SEED=\(round)", using: &random)
    }
    // One that breaks with any numbers: the first page of the index is longer.
    var random = SeededGenerator(stream: 1)
    let status = try vacuum(
      origin, dying: 100...150, "MNEME_SEED=\(SeededGenerator.seed)", .cut(after: 300), using: &random)
    #expect(status == 69)
  }

  /// Breaks a vacuum, and runs another for the rest.
  /// - Parameters:
  ///   - dying: how many entries of a namespace are due.
  ///   - fault: nil: any.
  /// - Returns: the status of the first.
  @discardableResult
  private func vacuum(
    _ origin: CacheFixture, dying range: ClosedRange<Int>, _ round: String,
    _ fault: ScriptedProxy.Script? = nil, using random: inout SeededGenerator
  ) throws -> Int32 {
    let fixture = try origin.again(uniquePrefix("vacuum"))
    let spaces = ["a", "b", "c"].prefix(Int.random(in: 1...3, using: &random))
    var (due, kept, lines) = (0, 0, [UInt8]())
    for space in spaces {
      let (dying, living) = (Int.random(in: range, using: &random), Int.random(in: 0...3, using: &random))
      lines += importLines(0..<dying, namespace: space, ttl: 3600, by: "due")
      lines += importLines(dying..<dying + living, namespace: space, by: "kept")
      (due, kept) = (due + dying, kept + living)
    }
    try fixture.mneme.run(["import", "--embedder", "none"], input: lines).expecting(0)
    try fixture.age(by: 3600)
    let place = Int.random(in: 0...300 + 70 * due, using: &random)
    let faults: [ScriptedProxy.Script] = [
      .cut(after: place), .reset(after: place), .garbage(after: place), .behead(after: 4 * place),
    ]
    let script = fault ?? faults.randomElement(using: &random)!
    let times = fault == nil && Bool.random(using: &random) ? 1 : Int.max
    let proxy = try ScriptedProxy(to: fixture.server, script, times: times)
    let outcome = try Mneme(url: proxy.url, prefix: fixture.mneme.prefix).run(["vacuum", "--json"])
    try fixture.awaitNoOtherClients()
    let what: Comment = "\(round), \(script): \(outcome)"

    // 1. Its work.
    let gone = try counted(fixture, Array(spaces))
    #expect(try fixture.count() == due + kept - gone, what)
    #expect(try fixture.problems() == [], what)
    if outcome.status == 0 {
      #expect(try outcome.json()["expired"].int == due && gone == due, what)
    } else {
      #expect(outcome.status == 69, what)
    }

    // 2. The rest.
    let rest = try fixture.mneme.run("vacuum", "--json")
    #expect(try rest.json()["expired"].int == due - gone, "\(what): \(rest)")
    #expect(try fixture.count() == kept && counted(fixture, Array(spaces)) == due, what)
    #expect(try fixture.problems() == [], what)
    return outcome.status
  }

  private func counted(_ fixture: CacheFixture, _ spaces: [String]) throws -> Int {
    try spaces.reduce(0) { sum, space in
      sum
        + (Int(try fixture.redis.send("HGET", fixture.key("counters:\(space)"), "expirations").text ?? "0")
          ?? 0)
    }
  }
}

extension CacheFixture {
  fileprivate func count() throws -> Int { Int(try redis.send("ZCARD", key("by_id")).integer ?? 0) }
}
