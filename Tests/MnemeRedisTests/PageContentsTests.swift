import Mneme
import Testing

@testable import MnemeRedis

@Suite("The decisions of a vacuum about a page of by_ttl")
struct PageContentsTests {
  private let now = UnixTime(1000)
  private let faq = Namespace(unchecked: "faq")
  private let other = Namespace(unchecked: "other")

  private func member(_ id: Int64?, _ namespace: Namespace? = nil) -> DueMember {
    DueMember(id: id.map { EntryID($0) }, namespace: namespace)
  }

  private func plan(
    _ members: [DueMember], _ entries: [Int64: PageContents.Entry], in namespace: Namespace? = nil
  ) -> PagePlan {
    let entries = Dictionary(uniqueKeysWithValues: entries.map { (EntryID($0), $1) })
    return PageContents(members: members, entries: entries).plan(at: now, in: namespace)
  }

  @Test("an expired entry is removed, from the second at which its time is over")
  func expired() {
    let entries: [Int64: PageContents.Entry] = [
      1: .present(faq, .at(UnixTime(999))), 2: .present(faq, .at(now)), 3: .present(faq, .at(UnixTime(1001))),
    ]
    let plan = plan([member(1), member(2), member(3)], entries)
    #expect(plan == PagePlan(expired: [EntryID(1), EntryID(2)], stale: [StaleExpiry(id: EntryID(3))]))
  }

  @Test("for an entry that expires later than by_ttl says, or never, by_ttl is corrected")
  func stale() {
    let plan = plan(
      [member(1), member(2, faq)], [1: .present(faq, .at(UnixTime(2000))), 2: .present(faq, .never)])
    #expect(plan == PagePlan(stale: [StaleExpiry(id: EntryID(1)), StaleExpiry(id: EntryID(2))]))
  }

  @Test("a member without an entry is a leftover, of the namespace that it names")
  func leftovers() {
    let plan = plan([member(1), member(2, faq)], [1: .absent, 2: .absent])
    #expect(
      plan.leftovers == [Leftover(id: EntryID(1)), Leftover(id: EntryID(2), namespace: faq)]
        && plan.kept == 0)
  }

  @Test("unreadable data stays: a damaged entry, a damaged time, a member without an id")
  func unreadable() {
    let plan = plan(
      [member(1), member(2), member(nil), member(3)], [1: .unreadable, 2: .present(faq, .unreadable)])
    #expect(plan == PagePlan(kept: 4))
  }

  @Test("an entry that both programs have listed is decided about once")
  func listedTwice() {
    let entries: [Int64: PageContents.Entry] = [
      1: .present(faq, .at(UnixTime(1))), 2: .present(faq, .never), 3: .absent,
    ]
    let plan = plan(
      [member(1), member(1, faq), member(2, faq), member(2), member(3), member(3, faq)], entries)
    #expect(plan.expired == [EntryID(1)] && plan.stale == [StaleExpiry(id: EntryID(2))] && plan.kept == 0)
    // In every namespace that is named it may be in the index.
    #expect(plan.leftovers == [Leftover(id: EntryID(3)), Leftover(id: EntryID(3), namespace: faq)])
  }

  @Test("members with another namespace than the entry's are removed with the correction")
  func strays() {
    let plan = plan([member(1), member(1, other), member(1, faq)], [1: .present(faq, .never)])
    #expect(plan == PagePlan(stale: [StaleExpiry(id: EntryID(1), strays: [other])]))
  }

  @Test(
    "with a namespace, only its own entries are changed: by the entry's field, or by the member without one")
  func oneNamespace() {
    let entries: [Int64: PageContents.Entry] = [
      1: .present(faq, .at(UnixTime(1))), 2: .present(other, .at(UnixTime(1))), 3: .present(other, .never),
      4: .absent, 5: .absent, 6: .absent,
    ]
    let members = [
      member(1), member(1, other), member(2), member(2, faq), member(3), member(4), member(5, other),
      member(6, faq),
    ]
    let plan = plan(members, entries, in: faq)
    #expect(
      plan
        == PagePlan(
          expired: [EntryID(1)], leftovers: [Leftover(id: EntryID(6), namespace: faq)], kept: 5))
  }
}
