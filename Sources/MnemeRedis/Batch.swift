/// How much goes in one round trip.
///
/// While the server works on it every other client waits for its turn. Half a millisecond is nothing where there is
/// nobody else, and five times what a `PING` takes: so batches are short where others use the server, and take longer.
struct Batch: Sendable {
  /// Entries that one transaction writes, each with its own keys.
  var written = 64
  /// Entries that one transaction removes, which is less work.
  var removed = 64
  /// Entries, or what one question is about each of them, in one read.
  var entries = 64
  /// Entries that a check suspects in one read, with some twenty questions about each.
  var suspects = 64
  /// Small answers in one read.
  var keys = 64
  /// Members of a set or keys of the server in one page. With a thousand the walks are no faster.
  var page = 200
  /// What a page of entries should weigh at most; pages shrink where entries are large.
  var bytes = 4 << 20

  /// Vectors in one read.
  static let vectors = 512

  static let alone = Batch()
  /// Of each about as much as takes the server a tenth of a millisecond. Of what is written it is less, since a server
  /// that grows also waits for memory from its system.
  static let amongOthers = Batch(
    written: 1, removed: 2, entries: 16, suspects: 4, keys: 16, page: 40, bytes: 256 << 10)
}

extension RedisStore {
  /// How much is to go in the next round trip.
  var batch: Batch { client.othersAreActive ? .amongOthers : .alone }

  /// How many entries had best be stored in the next transaction, and what they should weigh at most. No round trip.
  public var preferredBatch: (count: Int, bytes: Int) {
    let batch = batch
    return (batch.written, batch.bytes)
  }

  /// Hands over a slice after the other, each as long as is right when its turn comes.
  func inSlices<Elements: RandomAccessCollection>(
    _ elements: Elements, of size: KeyPath<Batch, Int>, _ body: (Elements.SubSequence) throws -> Void
  ) rethrows where Elements.Index == Int {
    var start = elements.startIndex
    while start < elements.endIndex {
      let end = min(start + batch[keyPath: size], elements.endIndex)
      try body(elements[start..<end])
      start = end
    }
  }
}
