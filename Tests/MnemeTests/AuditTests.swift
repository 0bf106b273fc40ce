import CVector
import TestSupport
import Testing

@testable import Mneme

@Suite("The audit of a namespace")
struct AuditTests {
  private struct NoEmbedder: Embedder {
    let fingerprint: String
    let dimension: Int
    func embed(_ texts: [String]) throws -> [[Float]] {
      throw EmbedderError("no vector is made", remedy: .checkEmbedder)
    }
  }

  /// A store, and the entries that an audit gets.
  private struct Stage {
    let store = MemoryStore()
    let cache: SemanticCache
    var entries: [StoredEntry] = []

    init(dimension: Int) throws {
      cache = try SemanticCache(
        store: store, embedder: NoEmbedder(fingerprint: "test:given:dim\(dimension)", dimension: dimension))
    }

    mutating func put(_ vector: [Float], response: String, at time: Int64 = 0) throws {
      let query = "query \(entries.count)"
      var entry = StoredEntry(
        namespace: .default, queryHash: QueryNormalizer.queryHash(query), query: query, response: response,
        embedding: try .normalizing(vector), createdAt: UnixTime(time), lastAccessedAt: UnixTime(time))
      entry.id = try store.insert(entry)
      entries.append(entry)
    }

    func audit(_ options: AuditOptions = .init(), _ control: WorkControl = .init()) throws -> NamespaceAudit {
      try cache.audit(entries.map(AuditedEntry.init), of: .default, options, control)
    }
  }

  /// Questions in groups, some of them more than once, with responses that follow the groups most of the time.
  private static func groups(_ count: Int, dimension: Int, seed: UInt64) throws -> Stage {
    var stage = try Stage(dimension: dimension)
    var random = SeededGenerator(seed: seed)
    func number(_ spread: Float) -> Float { Float.random(in: -spread...spread, using: &random) }
    let centres = (0..<count / 8).map { _ in (0..<dimension).map { _ in number(1) } }
    for place in 0..<count {
      let group = Int.random(in: 0..<centres.count, using: &random)
      let spread = number(0.7)
      let other = Int.random(in: 0..<10, using: &random) == 0
      let vector =
        place > 0 && Int.random(in: 0..<12, using: &random) == 0
        ? stage.entries[place / 2].embedding.numbers : centres[group].map { $0 + spread * number(1) }
      try stage.put(
        vector, response: "answer \(other ? group / 2 : group)", at: Int64.random(in: 0...40, using: &random))
    }
    return stage
  }

  /// The expected result of `audit`, by comparing all with all.
  private struct Expected {
    var conflicts: [AuditedPair] = []
    var duplicates: [AuditedPair] = []
    var nearest: [LeaveOneOut.Nearest?] = []

    init(_ entries: [StoredEntry], threshold: Double) {
      let vectors = entries.map { $0.embedding.numbers.map(Double.init) }
      func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for place in 0..<a.count { sum += a[place] * b[place] }
        return sum
      }
      for (place, entry) in entries.enumerated() {
        var best: (similarity: Double, entry: StoredEntry)?
        for (number, other) in entries.enumerated() where number != place {
          let similarity = dot(vectors[place], vectors[number])
          if similarity > best?.similarity ?? -2 { best = (similarity, other) }
          guard similarity >= threshold, (entry.createdAt, entry.id) < (other.createdAt, other.id) else {
            continue
          }
          let pair = AuditedPair(a: entry.id, b: other.id, similarity: similarity)
          if entry.response == other.response { duplicates.append(pair) } else { conflicts.append(pair) }
        }
        nearest.append(
          best.map {
            LeaveOneOut.Nearest(
              similarity: $0.similarity, hasSameResponse: $0.entry.response == entry.response)
          })
      }
      conflicts.sort(by: AuditedPair.precedes)
      duplicates.sort(by: AuditedPair.precedes)
    }
  }

  @Test(
    "finds the same pairs and nearest entries as a comparison of all with all",
    arguments: [(1, 8, 0.85), (2, 24, 0.85), (3, 100, 0.7), (4, 70, 0.97), (5, 3, 0.999)]
      as [(UInt64, Int, Double)])
  func allPairs(seed: UInt64, dimension: Int, threshold: Double) throws {
    let stage = try Self.groups(300, dimension: dimension, seed: seed)
    let expected = Expected(stage.entries, threshold: threshold)
    var options = AuditOptions()
    options.threshold = threshold
    options.pairs = .max / 4
    let result = try stage.audit(options)
    #expect(result.entries == 300 && result.compared == 300 && result.isComplete && result.damaged.isEmpty)
    #expect(result.conflicts == expected.conflicts)
    #expect(result.duplicates == expected.duplicates)
    #expect(result.conflictCount == expected.conflicts.count)
    #expect(result.duplicateCount == expected.duplicates.count)
    #expect(result.leaveOneOut == LeaveOneOut(expected.nearest))
    #expect(result.conflictCount > 3 && result.duplicateCount > 3)
    // Fewer that are shown change no count.
    options.pairs = 5
    let short = try stage.audit(options)
    #expect(short.conflicts == Array(expected.conflicts.prefix(5)))
    #expect(short.duplicates == Array(expected.duplicates.prefix(5)))
    options.pairs = 0
    let none = try stage.audit(options)
    #expect(none.conflicts.isEmpty && none.duplicates.isEmpty)
    for other in [short, none] {
      #expect(other.conflictCount == result.conflictCount && other.duplicateCount == result.duplicateCount)
      #expect(other.leaveOneOut == result.leaveOneOut)
      #expect(other.redundant.keepers == result.redundant.keepers)
    }
  }

  @Test("an entry is removed only if an older one with its response stays, and no pair of duplicates is left")
  func redundancy() throws {
    let stage = try Self.groups(400, dimension: 24, seed: 11)
    var options = AuditOptions()
    options.pairs = .max / 4
    let result = try stage.audit(options)
    let keepers = result.redundant.keepers
    #expect(keepers.count > 10)
    let similar = Set(result.duplicates.map { [$0.a, $0.b] })
    for (gone, kept) in keepers {
      #expect(keepers[kept] == nil)
      #expect(similar.contains([kept, gone]), "\(kept) is older than \(gone) and like it")
    }
    #expect(result.duplicates.allSatisfy { keepers[$0.a] != nil || keepers[$0.b] != nil })
  }

  @Test("every second entry of a chain of duplicates stays")
  func chain() throws {
    var stage = try Stage(dimension: 2)
    // Each is similar to its neighbours, and not to the ones after these.
    for step in 0..<4 {
      let angle = Double(step) * 0.5
      // The cosine and sine by their series are near enough.
      let (c, s) = (
        1 - angle * angle / 2 + angle * angle * angle * angle / 24, angle - angle * angle * angle / 6
      )
      try stage.put([Float(c), Float(s)], response: "same", at: Int64(10 - step))
    }
    let ids = stage.entries.map(\.id)
    let result = try stage.audit()
    #expect(result.duplicateCount == 3)
    // The oldest is the last one.
    #expect(result.redundant.keepers == [ids[2]: ids[3], ids[0]: ids[1]])
  }

  @Test("a sample finds the pairs of its entries, and is the same each time")
  func sample() throws {
    let stage = try Self.groups(400, dimension: 24, seed: 12)
    var options = AuditOptions()
    options.pairs = .max / 4
    let all = try stage.audit(options)
    options.sample = 200
    let some = try stage.audit(options)
    #expect(some.entries == 400 && some.compared == 200)
    #expect(some.conflicts == (try stage.audit(options)).conflicts)
    #expect(Set(some.conflicts.map { [$0.a, $0.b] }).isSubset(of: all.conflicts.map { [$0.a, $0.b] }))
    #expect(some.conflicts.count == some.conflictCount)
    #expect((all.conflictCount / 3...all.conflictCount).contains(some.conflictCount))
    let row = some.leaveOneOut.rows[0]
    #expect(row.same + row.different + row.none == 200)
    for (_, kept) in some.redundant.keepers { #expect(some.redundant.keepers[kept] == nil) }
  }

  @Test("of equally near entries the one with the lower id is the nearest")
  func ties() throws {
    var stage = try Stage(dimension: 3)
    try stage.put([0, 1, 0], response: "a")
    try stage.put([0.6, 0.8, 0], response: "b", at: 5)
    try stage.put([-0.6, 0.8, 0], response: "a", at: 4)
    let row = try stage.audit().leaveOneOut.rows[0]
    // The first has two at 0.8, of which the second entry counts; each of these has the first alone.
    #expect([row.same, row.different, row.none] == [1, 2, 0])
  }

  @Test("entries that are not selected, are gone or cannot be compared are ignored")
  func leftOut() throws {
    var stage = try Stage(dimension: 2)
    for (number, vector) in [[1, 0], [1, 0.01], [1, 0.02], [1, 0.03]].enumerated() {
      try stage.put(vector.map { Float($0) }, response: "answer \(number)")
    }
    var damaged = stage.entries[0]
    damaged.embedding = Embedding([.nan, 0])
    damaged.queryHash = QueryNormalizer.queryHash("damaged")
    damaged.id = try stage.store.insert(damaged)
    #expect(try stage.audit().conflictCount == 6)
    try stage.store.remove(id: stage.entries[1].id)
    let chosen = [0, 1, 3].map { AuditedEntry(stage.entries[$0]) } + [AuditedEntry(damaged)]
    let result = try stage.cache.audit(chosen, of: .default)
    #expect(result.entries == 4 && result.compared == 2 && result.conflictCount == 1)
    #expect(result.conflicts.map { [$0.a, $0.b] } == [[stage.entries[0].id, stage.entries[3].id]])
  }

  @Test("hundreds of entries of one vector are counted, in memory for some of their pairs")
  func oneVector() throws {
    var stage = try Stage(dimension: 8)
    for number in 0..<300 {
      try stage.put([1, 2, 3, 4, 5, 6, 7, 8], response: "answer \(number % 2)", at: Int64(number))
    }
    var options = AuditOptions()
    options.mostPending = 1000
    let result = try stage.audit(options)
    #expect(result.conflictCount == 150 * 150)
    #expect(result.duplicateCount == 150 * 149)
    #expect(result.redundant.keepers.count == 298)
    // The nearest is the first entry, whose response every other one has; its own nearest is the second.
    let row = result.leaveOneOut.rows[0]
    #expect([row.same, row.different, row.none] == [149, 151, 0])
  }

  @Test("a stopped audit reports what was done, and counts no part of a lot")
  func stopped() throws {
    let stage = try Self.groups(1100, dimension: 24, seed: 13)
    var progress: [Int] = []
    var options = AuditOptions()
    options.pairs = .max / 4
    let result = try stage.audit(
      options,
      WorkControl(shouldStop: { !progress.isEmpty }, progress: { progress.append($0.done) }))
    #expect(!result.isComplete && result.compared == 1024 && progress == [1024])
    #expect(result.conflictCount == result.conflicts.count && result.conflictCount > 0)
    let row = result.leaveOneOut.rows[0]
    #expect(row.same + row.different + row.none == 1024)
    let nothing = try stage.audit(options, WorkControl(shouldStop: { true }))
    #expect(!nothing.isComplete && nothing.compared == 0 && nothing.conflictCount == 0)
  }

  @Test("no entry, one entry, and a cache without vectors give empty results")
  func empty() throws {
    var stage = try Stage(dimension: 2)
    #expect(try stage.audit().compared == 0)
    try stage.put([1, 0], response: "alone")
    let row = try stage.audit().leaveOneOut.rows[0]
    #expect([row.same, row.different, row.none] == [0, 0, 1])
    let without = try SemanticCache(
      store: MemoryStore(), embedder: NoEmbedder(fingerprint: "none", dimension: 0))
    #expect(try without.audit([AuditedEntry(stage.entries[0])], of: .default).compared == 0)
  }

  @Test(
    "the similarity is within the bounds, with every instruction set",
    arguments: [CVECTOR_PLAIN, CVECTOR_AVX2, CVECTOR_VNNI].filter {
      $0.rawValue <= cvector_best_instructions().rawValue
    }.map(\.rawValue), [1, 64, 100, 384, 66_000])
  func bounds(instructions: UInt32, dimension: Int) throws {
    var random = SeededGenerator(seed: UInt64(dimension))
    func vector() throws -> Embedding {
      try .normalizing((0..<dimension).map { _ in Float.random(in: -1...1, using: &random) })
    }
    let layout = RowLayout(dimension: dimension)
    let rows = try (0..<(dimension > 1000 ? 3 : 37)).map { _ in try vector() }
    var memory = MemoryRows(layout)
    let quantizer = RowQuantizer(layout)
    for (number, row) in rows.enumerated() {
      let (block, place) = memory.append()
      row.bytes.withUnsafeBytes { quantizer.fill(place, of: block, EntryID(Int64(number)), $0) }
    }
    let lot = QueryLot(layout, instructions: cvector_instructions(rawValue: instructions))
    let queries = try (0..<(dimension > 1000 ? 1 : 10)).map { _ in try vector() } + [rows[0]]
    for query in queries { #expect(query.bytes.withUnsafeBytes { lot.add($0, bar: -2) }) }
    var met = 0
    lot.compare(with: memory.block(0), rows: rows.count) { query, row, least, most in
      met += 1
      let similarity = queries[query].dot(rows[row])
      #expect(Double(least) <= similarity && similarity <= Double(most))
      #expect(most - least < 0.1)
      #expect(rows[row].bytes.withUnsafeBytes { lot.similarity(of: query, to: $0) } == similarity)
    }
    #expect(met == queries.count * rows.count)
  }
}
