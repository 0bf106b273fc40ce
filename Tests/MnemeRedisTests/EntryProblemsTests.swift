import Mneme
import Testing

@testable import MnemeRedis

/// Tests of the problems that a check finds in an entry that it has read. They need no Redis.
@Suite("The problems of an entry") struct EntryProblemsTests {
  private let standard = EntryStandard(
    layout: KeyLayout(prefix: "p"), embeddingBytes: 8, tellsExpiry: true)

  private static let facts = EntryFacts(
    namespace: .default, queryHash: String(repeating: "a", count: 64), createdAt: UnixTime(100),
    expiresAt: UnixTime(400), lastAccessedAt: 200, isAccessCountReadable: true, embeddingBytes: 8,
    queryHashFits: true)

  private func problems(
    _ facts: EntryFacts = Self.facts, in standard: EntryStandard? = nil, claimant: Namespace? = nil,
    _ change: (inout EntryView) -> Void = { _ in }
  ) -> [CacheProblem.Kind] {
    var view = EntryView(
      candidate: EntryCandidate(id: EntryID(7), claimant: claimant), namespace: facts.namespace,
      reading: .sound(facts))
    (view.byID, view.lru, view.byTTL) = (.at("7"), .at("200"), [.at("400"), .missing])
    (view.pointer, view.isListed) = (.right, true)
    change(&view)
    return (standard ?? self.standard).problems(of: view).map(\.kind)
  }

  @Test("an entry with all its index members has none")
  func sound() {
    #expect(problems() == [])
    // Indexes of another type are problems of their own.
    #expect(
      problems {
        ($0.byID, $0.lru, $0.byTTL) = (.unreadable, .unreadable, [.unreadable, .unreadable])
        ($0.pointer, $0.isListed) = (.unreadable, nil)
      } == [])
  }

  @Test("each missing or wrong index member is one")
  func places() {
    #expect(problems { $0.byID = .missing } == [.wrongByID])
    #expect(problems { $0.byID = .at("7.5") } == [.wrongByID])
    #expect(problems { $0.lru = .missing } == [.wrongLRU])
    #expect(problems { $0.lru = .at("inf") } == [.wrongLRU])
    #expect(problems { $0.byTTL = [.missing, .missing] } == [.wrongByTTL])
    #expect(problems { $0.byTTL = [.missing, .at("400")] } == [])
    #expect(problems { $0.byTTL = [.at("400"), .at("401")] } == [.wrongByTTL])
    #expect(problems { $0.isListed = false } == [.unlistedNamespace])
    #expect(problems { $0.pointer = .missing } == [.missingHashKey])
    #expect(problems { $0.pointer = .noID } == [.missingHashKey])
    #expect(problems { $0.pointer = .ofAnotherQuery } == [.missingHashKey])
    #expect(problems { $0.pointer = .ofSameQuery(EntryID(8)) } == [.shadowedEntry])
    var immortal = Self.facts
    immortal.expiresAt = nil
    #expect(problems(immortal) == [.wrongByTTL])
    #expect(problems(immortal) { $0.byTTL = [.missing, .missing] } == [])
  }

  @Test("its own fields are compared with the cache and its query")
  func own() {
    var facts = Self.facts
    (facts.lastAccessedAt, facts.embeddingBytes, facts.queryHashFits) = (nil, 4, false)
    #expect(problems(facts) == [.unreadableUse, .wrongEmbedding, .wrongQueryHash])
    #expect(problems { $0.flaw = .allZeros } == [.incomparableEmbedding])
    var unreadable = Self.facts
    unreadable.pythonObstacle = "has metadata that nests 1000 levels deep"
    #expect(problems(unreadable) == [.unreadableByPython])
    // If meta does not say how long a vector is, it is a number of float32s.
    let unknown = EntryStandard(layout: KeyLayout(prefix: "p"), embeddingBytes: nil, tellsExpiry: true)
    #expect(problems(facts, in: unknown) == [.unreadableUse, .wrongQueryHash])
    facts.embeddingBytes = 3
    #expect(problems(facts, in: unknown) == [.unreadableUse, .wrongEmbedding, .wrongQueryHash])
  }

  @Test("an entry that Redis will expire too early is one, if the server reports the time")
  func early() {
    #expect(problems { $0.entryExpiry = 398_000 } == [.earlyExpiry])
    #expect(problems { $0.hashKeyExpiry = 398_000 } == [.earlyExpiry])
    #expect(problems { ($0.entryExpiry, $0.hashKeyExpiry) = (399_999, 400_000) } == [])
    let silent = EntryStandard(layout: KeyLayout(prefix: "p"), embeddingBytes: 8)
    #expect(problems(in: silent) { $0.entryExpiry = 5 } == [])
    var immortal = Self.facts
    immortal.expiresAt = nil
    #expect(
      problems(immortal, in: silent) {
        $0.byTTL = [.missing, .missing]
        $0.entryExpiry = 5
      } == [.earlyExpiry])
  }

  @Test("an index of another namespace that lists it is one")
  func stray() throws {
    let other = try Namespace("other")
    #expect(problems(claimant: other) { $0.claimantLRU = .at("5") } == [.strayMember])
    #expect(
      problems(claimant: other) { ($0.claimantLRU, $0.claimantTTL) = (.at("5"), .at("400")) }
        == [.strayMember, .strayMember])
    #expect(problems(claimant: .default) == [])
    #expect(problems(claimant: other) == [])
  }

  @Test("an id in the indexes without an entry is one leftover; an id in no index is none")
  func leftover() throws {
    func places(_ change: (inout EntryView) -> Void) -> [CacheProblem] {
      var view = EntryView(
        candidate: EntryCandidate(id: EntryID(7)), namespace: .default, reading: .absent)
      change(&view)
      return standard.problems(of: view)
    }
    #expect(places { _ in } == [])
    #expect(places { $0.byID = .at("7") }.map(\.detail) == ["by_id lists entry 7, which does not exist."])
    let several = places {
      $0.candidate.claimant = .default
      ($0.byID, $0.lru, $0.byTTL) = (.at("7"), .at("200"), [.missing, .at("400")])
    }
    #expect(
      several.map(\.detail) == ["by_id, by_ttl, lru:default list entry 7, which does not exist."])
    #expect(several.map(\.namespace) == [.default])
  }

  @Test("a vector is read only if its length is right")
  func vectors() {
    #expect(standard.isReadableVector(8))
    for length in [0, 4, 12, 1 << 30] { #expect(!standard.isReadableVector(length)) }
    let unknown = EntryStandard(layout: KeyLayout(prefix: "p"))
    #expect(unknown.isReadableVector(1 << 16))
    for length in [0, 7, 1 << 17] { #expect(!unknown.isReadableVector(length)) }
  }
}
