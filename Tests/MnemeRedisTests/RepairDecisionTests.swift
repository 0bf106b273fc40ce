import Mneme
import Testing

@testable import MnemeRedis

/// Tests of the decisions that a repair makes from the data it has read. They need no Redis.
@Suite("The decisions of a repair") struct RepairDecisionTests {
  private static let facts = EntryFacts(
    namespace: .default, queryHash: String(repeating: "a", count: 64), createdAt: UnixTime(100),
    expiresAt: UnixTime(400), lastAccessedAt: 200, isAccessCountReadable: true, embeddingBytes: 8,
    queryHashFits: true)
  private static let places = EntryPlaces(
    byID: .at("7"), lru: .at("200"), byTTL: [.at("400"), .missing], isListed: true, pointer: .right,
    entryExpires: false, hashKeyExpires: false)

  private func decide(
    for kind: CacheProblem.Kind = .wrongLRU, _ change: (inout EntryFacts, inout EntryPlaces) -> Void
  ) -> EntryRepair.Decision {
    var (facts, places) = (Self.facts, Self.places)
    change(&facts, &places)
    return EntryRepair.decide(EntryID(7), facts, places, for: kind)
  }

  @Test("an entry with all its index members is not changed")
  func nothing() {
    #expect(decide { _, _ in } == .nothing)
    // Both forms of a member, and Python's alone.
    #expect(decide { $1.byTTL = [.at("400"), .at("400")] } == .nothing)
    #expect(decide { $1.byTTL = [.missing, .at("400")] } == .nothing)
  }

  @Test("each wrong index member makes it write all of them")
  func places() {
    let repair = EntryRepair.Decision.write(EntryRepair(lastUse: 200))
    #expect(decide { $1.byID = .missing } == repair)
    #expect(decide { $1.byID = .at("8") } == repair)
    #expect(decide { $1.lru = .missing } == repair)
    #expect(decide { $1.lru = .at("201") } == repair)
    #expect(decide { $1.byTTL = [.missing, .missing] } == repair)
    #expect(decide { $1.byTTL = [.at("400"), .at("401")] } == repair)
    #expect(decide { facts, _ in facts.expiresAt = nil } == repair)
    #expect(decide { $1.isListed = false } == repair)
  }

  @Test("a hash key that leads to no entry, or to another query's, gets the entry's id")
  func hashKey() {
    var repair = EntryRepair(lastUse: 200)
    repair.setsHashKey = true
    for pointer in [.missing, .noID, .ofAnotherQuery] as [EntryView.Pointer] {
      #expect(decide { $1.pointer = pointer } == .write(repair))
    }
  }

  @Test("an entry whose query is answered from another one is removed if it has no other problem")
  func shadowed() {
    let other = EntryView.Pointer.ofSameQuery(EntryID(9))
    #expect(decide { $1.pointer = other } == .remove)
    #expect(
      decide {
        $1.pointer = other
        $1.lru = .missing
      } == .write(EntryRepair(lastUse: 200)))
  }

  @Test("a time of use that is not a number is replaced by that of the index, or else of the creation")
  func use() {
    var repair = EntryRepair(lastUse: 300)
    repair.writesLastUse = true
    #expect(
      decide {
        $0.lastAccessedAt = nil
        $1.lru = .at("300")
      } == .write(repair))
    repair.lastUse = 100
    #expect(
      decide {
        $0.lastAccessedAt = nil
        $1.lru = .at("0.5")
      } == .write(repair))
    repair = EntryRepair(lastUse: 200)
    repair.resetsAccessCount = true
    #expect(decide { facts, _ in facts.isAccessCountReadable = false } == .write(repair))
  }

  @Test("the TTL of a key is corrected only if that was the problem, and never for another entry's hash key")
  func expiry() {
    func expiring(_ places: inout EntryPlaces) {
      (places.entryExpires, places.hashKeyExpires) = (true, true)
    }
    #expect(decide { expiring(&$1) } == .nothing)
    var repair = EntryRepair(lastUse: 200)
    (repair.renewsEntryExpiry, repair.renewsHashKeyExpiry) = (true, true)
    #expect(decide(for: .earlyExpiry) { expiring(&$1) } == .write(repair))
    repair.renewsHashKeyExpiry = false
    #expect(
      decide(for: .earlyExpiry) {
        expiring(&$1)
        $1.pointer = .ofSameQuery(EntryID(9))
        $1.byID = .missing
      } == .write(repair))
  }

  @Test("next_id becomes the highest id, and never less than it is")
  func nextID() {
    #expect(NumberRepair.nextID(nil, highest: 0) == 0)
    #expect(NumberRepair.nextID(nil, highest: 7) == 7)
    #expect(NumberRepair.nextID(6, highest: 7) == 7)
    #expect(NumberRepair.nextID(7, highest: 7) == nil)
    #expect(NumberRepair.nextID(8, highest: 7) == nil)
  }

  @Test("a version that cannot grow becomes one that no cache has reached")
  func version() {
    let now = UnixTime(1_700_000_000)
    #expect(NumberRepair.version(.number(7), now: now) == nil)
    #expect(NumberRepair.version(.number(RedisStore.largestNumber), now: now) == nil)
    for broken in [.missing, .other, .number(RedisStore.largestNumber + 1)] as [StoredNumber] {
      #expect(NumberRepair.version(broken, now: now) == 1_700_000_000_000)
    }
  }

  @Test("of the two places of a quota the string overrides the other")
  func quota() {
    func decide(_ field: StoredNumber, _ string: StoredNumber) -> NumberRepair.Quota {
      NumberRepair.quota(field: field, string: string)
    }
    #expect(decide(.missing, .missing) == .sound)
    #expect(decide(.missing, .number(5)) == .sound)
    #expect(decide(.number(5), .number(5)) == .sound)
    #expect(decide(.number(5), .number(6)) == .write(6))
    #expect(decide(.other, .number(6)) == .write(6))
    #expect(decide(.number(5), .missing) == .write(5))
    #expect(decide(.number(5), .other) == .write(5))
    #expect(decide(.other, .missing) == .unknown)
    #expect(decide(.missing, .other) == .unknown)
  }
}
