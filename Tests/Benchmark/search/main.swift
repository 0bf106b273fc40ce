import Mneme

// Semantic searches in one process, timed without the preparation. Prints {"count": …, "seconds": …}.
//
//     search-benchmark index ROWS DIMENSION                  in an index of vectors made up by chance
//     search-benchmark namespaces COUNT ROWS DIMENSION       in one namespace of a cache that has so many, all alike

/// xorshift64*: the same numbers in each run.
struct Chance {
  var state: UInt64 = 0x9e37_79b9_7f4a_7c15

  mutating func vector(_ dimension: Int) throws -> Embedding {
    try .normalizing(
      (0..<dimension).map { _ in
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Float(Int32(truncatingIfNeeded: (state &* 0x2545_f491_4f6c_dd1d) >> 32)) / 2_147_483_648
      })
  }
}

/// An embedder that is never called, because the vectors are given.
struct NoEmbedder: Embedder {
  let fingerprint = "benchmark"
  let dimension: Int

  func embed(_ texts: [String]) throws -> [[Float]] { texts.map { _ in [] } }
}

/// Times a number of searches, each for another vector, after three that warm up.
func time(_ searches: Int, dimension: Int, _ chance: inout Chance, _ search: ([Float]) throws -> Void) throws
{
  let queries = try (0..<searches + 3).map { _ in try chance.vector(dimension).numbers }
  for query in queries[..<3] { try search(query) }
  let clock = ContinuousClock()
  let spent = try clock.measure { for query in queries[3...] { try search(query) } }
  print("{\"count\": \(searches), \"seconds\": \(spent / .seconds(1))}")
}

func searchIndex(rows: Int, dimension: Int) throws {
  var chance = Chance()
  var index = VectorIndex(dimension: dimension)
  for row in 0..<rows {
    try chance.vector(dimension).bytes.withUnsafeBytes { index.set(EntryID(Int64(row + 1)), $0) }
  }
  try time(50, dimension: dimension, &chance) { query in
    guard let found = index.search(Embedding(query), limit: 5), found.candidates.count >= min(5, rows) else {
      fatalError("a search found too few")
    }
  }
}

func searchNamespace(among count: Int, rows: Int, dimension: Int) throws {
  var chance = Chance()
  let store = MemoryStore()
  let cache = try SemanticCache(store: store, embedder: NoEmbedder(dimension: dimension))
  for row in 0..<rows {
    for number in 0..<count {
      try store.insert(
        StoredEntry(
          namespace: Namespace("tenant-\(number)"), queryHash: "\(row)", query: "question \(row)",
          response: "answer",
          embedding: chance.vector(dimension), createdAt: UnixTime(0), lastAccessedAt: UnixTime(0)))
    }
  }
  // Each has been searched once, and so has its index.
  for number in 0..<count {
    let vector = try chance.vector(dimension).numbers
    _ = try cache.get("else", namespace: Namespace("tenant-\(number)"), embedding: vector)
  }
  let searched = try Namespace("tenant-\(count / 2)")
  try time(200, dimension: dimension, &chance) { query in
    guard try cache.get("else", namespace: searched, embedding: query) == nil else {
      fatalError("found by chance")
    }
  }
}

let words = Array(CommandLine.arguments.dropFirst())
switch (words.first, words.dropFirst().map { Int($0) }) {
case ("index", let numbers) where numbers.count == 2 && !numbers.contains(nil):
  try searchIndex(rows: numbers[0]!, dimension: numbers[1]!)
case ("namespaces", let numbers) where numbers.count == 3 && !numbers.contains(nil):
  try searchNamespace(among: numbers[0]!, rows: numbers[1]!, dimension: numbers[2]!)
default: fatalError("usage: search-benchmark index ROWS DIMENSION | namespaces COUNT ROWS DIMENSION")
}
