import Mneme
import Testing

@testable import MnemeRedis

@Suite("The decisions of an insertion") struct InsertionPlanTests {
  static let now = UnixTime(1000)

  static func entry(_ query: String, created: Int64 = 1000) -> StoredEntry {
    StoredEntry(
      namespace: .default, queryHash: QueryNormalizer.queryHash(query), query: query, response: "r",
      embedding: .empty, createdAt: UnixTime(created), lastAccessedAt: now)
  }

  @Test("new queries get the fresh ids in order, and existing ones keep theirs")
  func ids() throws {
    let claims = [nil, Claim(id: EntryID(3), exists: true), nil]
    let plan = try InsertionPlan(
      claims: claims, created: Array(repeating: Self.now, count: 3),
      fresh: [EntryID(10), EntryID(11), EntryID(12)], InsertOptions())
    #expect(plan.outcomes == [.inserted(EntryID(10)), .replaced(EntryID(3)), .inserted(EntryID(11))])
    #expect(plan.written == [0, 1, 2])
    #expect(plan.usedIDs == 2)
  }

  @Test("skipped entries are not written")
  func skipped() throws {
    let claims = [Claim(id: EntryID(3), exists: true), nil]
    let plan = try InsertionPlan(
      claims: claims, created: [Self.now, Self.now], fresh: [EntryID(10)], InsertOptions(policy: .skip))
    #expect(plan.outcomes == [.skipped(EntryID(3)), .inserted(EntryID(10))])
    #expect(plan.written == [1])
  }

  @Test("if queries must be new, an existing one is a conflict")
  func conflict() {
    let claims = [nil, Claim(id: EntryID(3), exists: true)]
    let error = #expect(throws: ConflictError.self) {
      try InsertionPlan(
        claims: claims, created: [Self.now, Self.now], fresh: [EntryID(10)], InsertOptions(policy: .fail))
    }
    #expect(error?.index == 1)
    #expect(error?.id == EntryID(3))
  }

  @Test(
    "an entry that is at least as young is kept",
    arguments: [(999, true), (1000, false), (1001, false)] as [(Int64, Bool)])
  func younger(createdThere: Int64, isReplaced: Bool) throws {
    let plan = try InsertionPlan(
      claims: [Claim(id: EntryID(3), exists: true, createdAt: UnixTime(createdThere))],
      created: [Self.now], fresh: [], InsertOptions(sparesYounger: true))
    #expect(plan.outcomes == [isReplaced ? .replaced(EntryID(3)) : .skipped(EntryID(3))])
  }

  @Test("if a query comes twice, the last is stored, and both outcomes are reported")
  func twice() throws {
    let batch = zip(["a", "b", "a", "c", "a"], 0...).map { Self.entry($0, created: $1) }
    let distinct = try DistinctQueries(batch, InsertOptions())
    #expect(distinct.entries == [batch[1], batch[3], batch[4]])
    let ids = [EntryID(1), EntryID(2), EntryID(3)]
    #expect(
      distinct.outcomes(from: ids.map { .inserted($0) }) == [
        .inserted(ids[2]), .inserted(ids[0]), .replaced(ids[2]), .inserted(ids[1]), .replaced(ids[2]),
      ])
  }

  @Test("if existing queries are skipped, the first of a query is stored")
  func firstOfQuery() throws {
    let options = InsertOptions(policy: .skip)
    let batch = [Self.entry("a", created: 5), Self.entry("a", created: 9)]
    let distinct = try DistinctQueries(batch, options)
    #expect(distinct.entries == [batch[0]])
    #expect(
      distinct.outcomes(from: [.inserted(EntryID(1))]) == [
        .inserted(EntryID(1)), .skipped(EntryID(1)),
      ])
  }

  @Test("if the younger is kept, the youngest of a query is stored")
  func youngestOfQuery() throws {
    let options = InsertOptions(sparesYounger: true)
    let batch = [Self.entry("a", created: 5), Self.entry("a", created: 9), Self.entry("a", created: 7)]
    let distinct = try DistinctQueries(batch, options)
    #expect(distinct.entries == [batch[1]])
    #expect(
      distinct.outcomes(from: [.inserted(EntryID(1))]) == [
        .inserted(EntryID(1)), .replaced(EntryID(1)), .skipped(EntryID(1)),
      ])
  }

  @Test("if queries must be new, the second of one in a batch is a conflict")
  func secondOfQuery() {
    let error = #expect(throws: ConflictError.self) {
      try DistinctQueries(["a", "b", "a"].map { Self.entry($0) }, InsertOptions(policy: .fail))
    }
    #expect(error?.index == 2)
    #expect(error?.id == nil)
  }
}

@Suite("The decisions of a removal") struct RemovalPlanTests {
  let layout = KeyLayout(prefix: "p")

  func head(_ id: Int64, _ namespace: String = "n") -> EntryHead {
    EntryHead(
      id: EntryID(id), namespace: Namespace(unchecked: namespace), queryHash: "h\(id)", expiry: .never)
  }

  @Test("a hash key is removed with the entry that it leads to, and stays if it leads to another")
  func hashKeys() {
    let plan = RemovalPlan(
      heads: [head(1), head(2), head(3)],
      .init(named: [EntryID(1), EntryID(9), nil], counts: [Namespace(unchecked: "n"): 10]), in: layout)
    #expect(plan.hashKeys == [layout.hash(Namespace(unchecked: "n"), "h1")])
    #expect(plan.emptied.isEmpty)
  }

  @Test("a namespace is emptied if all of its entries are removed")
  func emptied() {
    let (a, b) = (Namespace(unchecked: "a"), Namespace(unchecked: "b"))
    let plan = RemovalPlan(
      heads: [head(1, "a"), head(2, "b"), head(3, "b")],
      .init(named: [nil, nil, nil], counts: [a: 2, b: 2]), in: layout)
    #expect(plan.emptied == [b])
    #expect(plan.namespaces == [a, b])
  }

  @Test(
    "the excess over a limit: a namespace's own quota is used first",
    arguments: [(nil, nil, 0), (nil, 20, 5), (9, 20, 1), (10, 20, 0), (5, nil, 5)] as [(Int?, Int?, Int)])
  func excess(quota: Int?, maxEntries: Int?, expected: Int) {
    let fill = Fill(namespace: .default, quota: quota, count: 10, total: 25)
    #expect(fill.excess(over: maxEntries) == expected)
  }
}
