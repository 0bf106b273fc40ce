import Mneme
import Testing

@testable import MnemeRedis

/// The records of a removal, decided without a server.
@Suite struct RemovalRecordTests {
  private let faq = Namespace(unchecked: "faq")
  private let docs = Namespace(unchecked: "docs")

  private func plan() -> RemovalPlan {
    let heads = [(1, faq), (2, docs), (3, faq)].map { id, namespace in
      EntryHead(id: EntryID(id), namespace: namespace, queryHash: "\(id)", expiry: .never)
    }
    let pointers = RemovalPlan.Pointers(named: [EntryID(1), EntryID(9), nil], counts: [faq: 2, docs: 5])
    return RemovalPlan(heads: heads, pointers, in: KeyLayout(prefix: "p"))
  }

  @Test("the version grows by the entries removed, and a namespace that is left empty is taken off the list")
  func record() {
    let record = plan().record(nil)
    #expect(record == RemovalRecord(removed: 3, emptied: [faq]))
  }

  @Test("entries are counted for their own namespaces, or all for one")
  func counts() {
    #expect(
      plan().record(.own(.expirations)).counts == [
        RemovalRecord.Count(counter: .expirations, namespace: docs, number: 1),
        RemovalRecord.Count(counter: .expirations, namespace: faq, number: 2),
      ])
    #expect(
      plan().record(.all(.evictions, docs)).counts == [
        RemovalRecord.Count(counter: .evictions, namespace: docs, number: 3)
      ])
  }

  @Test("records add up, and records taken out of the ledger are not in it any more")
  func sum() {
    let ledger = RemovalLedger()
    #expect(ledger.isEmpty)
    ledger.add(plan().record(.own(.expirations)))
    ledger.add(plan().record(.all(.expirations, docs)))
    #expect(ledger.removed == 6)
    let sum = ledger.takeAll()
    #expect(sum.emptied == [faq])
    #expect(sum.counts.map(\.number) == [4, 2])
    #expect(ledger.isEmpty && ledger.takeAll().isEmpty)
  }
}
