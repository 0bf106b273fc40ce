import Testing

@testable import Mneme

@Suite("The mark of a store")
struct StoreMarkTests {
  private static func mark(_ lineage: [String]?, version: Int64 = 100) -> StoreMark {
    StoreMark(
      lineage: lineage, version: version, entries: 50, highestID: EntryID(60), time: UnixTime(0))
  }

  private static func sample(_ id: Int64, at createdAt: Int64 = 10, _ query: String = "q") -> EntrySample {
    EntrySample(id: EntryID(id), createdAt: createdAt, queryHash: Array(query.utf8))
  }

  @Test("compares all parts of its lineage, and detects a version that went back")
  func lineage() {
    let mark = Self.mark(["ab", "c"])
    #expect(mark.canPrecede(Self.mark(["ab", "c"], version: 100)))
    #expect(mark.canPrecede(Self.mark(["ab", "c"], version: 101)))
    #expect(!mark.canPrecede(Self.mark(["ab", "c"], version: 99)))
    for parts in [["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""], [], nil] as [[String]?] {
      #expect(!mark.canPrecede(Self.mark(parts)))
    }
    #expect(Self.mark(nil).canPrecede(Self.mark(nil)))
  }

  @Test(
    "is proven by entries that are unchanged or were put again later",
    arguments: [
      ([sample(1), sample(2)], true), ([sample(1), nil], true), ([nil, nil], false),
      ([sample(1, at: 11), sample(2)], true),
      // Another query, an earlier one, other ids, and fewer.
      ([sample(1, at: 11, "p"), sample(2)], false), ([sample(1, at: 9), sample(2)], false),
      ([sample(2), sample(1)], false), ([sample(1)], false),
    ] as [([EntrySample?], Bool)])
  func proof(now: [EntrySample?], holds: Bool) {
    var mark = Self.mark(["a"])
    mark.samples = [Self.sample(1), Self.sample(2)]
    #expect(mark.isProven(by: now, hasGrown: true) == holds)
  }

  @Test("is not proven by an entry that was put again if the version has not grown")
  func unmovedVersion() {
    var mark = Self.mark(["a"])
    mark.samples = [Self.sample(1), Self.sample(2)]
    #expect(mark.isProven(by: [Self.sample(1), nil], hasGrown: false))
    #expect(!mark.isProven(by: [Self.sample(1, at: 11), Self.sample(2)], hasGrown: false))
  }
}
