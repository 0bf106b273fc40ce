import Mneme

/// What a check keeps of each entry that it read: 40 bytes, in the order of the ids.
///
/// Rows stand in chunks, so that a table never has to move to a place twice its size.
struct EntryTable {
  struct Row {
    var id: Int64
    /// `created_at + ttl`; `Int64.max` where it never expires.
    var expiry: Int64
    var lastAccessedAt: Int64
    /// The first 16 digits of the query hash.
    var queryHash: UInt64
    /// Of the namespace's name.
    var namespace: UInt32
    var seen: Seen
  }

  /// Where an entry was met at the place and time that it has itself.
  struct Seen: OptionSet {
    let rawValue: UInt8

    static let byID = Seen(rawValue: 1)
    static let lru = Seen(rawValue: 2)
    static let byTTL = Seen(rawValue: 4)
    static let hashKey = Seen(rawValue: 8)
    /// It cannot be read, which has been judged; its places in the indexes say nothing.
    static let damaged = Seen(rawValue: 16)

    static let everywhere: Seen = [.byID, .lru, .byTTL, .hashKey]
  }

  private static let chunkSize = 8192
  private var chunks: [[Row]] = []

  var count: Int { chunks.isEmpty ? 0 : (chunks.count - 1) * Self.chunkSize + chunks[chunks.count - 1].count }
  var lastID: Int64 { chunks.last?.last?.id ?? 0 }

  /// - Precondition: the id is above `lastID`.
  mutating func append(_ row: Row) {
    precondition(row.id > lastID)
    if chunks.last.map({ $0.count == Self.chunkSize }) ?? true {
      var chunk: [Row] = []
      chunk.reserveCapacity(Self.chunkSize)
      chunks.append(chunk)
    }
    chunks[chunks.count - 1].append(row)
  }

  subscript(position: Int) -> Row {
    get { chunks[position / Self.chunkSize][position % Self.chunkSize] }
    set { chunks[position / Self.chunkSize][position % Self.chunkSize] = newValue }
  }

  /// Where the row of an id stands; nil where it has none.
  func position(of id: EntryID) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].id < id.rawValue { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low].id == id.rawValue ? low : nil
  }

  mutating func mark(_ position: Int, _ seen: Seen) {
    chunks[position / Self.chunkSize][position % Self.chunkSize].seen.formUnion(seen)
  }

  // MARK: What stands for a name

  /// FNV-1a over the name's bytes. Two names that share it could hide that an index lists an entry of the other:
  /// one such damage in four thousand million.
  static func digest(_ namespace: Namespace) -> UInt32 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in namespace.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
  }

  static func digest(_ queryHash: String) -> UInt64 {
    queryHash.utf8.prefix(16).reduce(0) { number, digit in
      number << 4 | UInt64(digit <= UInt8(ascii: "9") ? digit &- 48 : digit &- 87)
    }
  }
}
