/// FNV-1a with 64 bits, and MurmurHash3's finalizer (step 6 of `HashedNgramEmbedder`).
struct FNV1a {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  init() {}

  init(of bytes: ArraySlice<UInt8>) {
    for byte in bytes { absorb(byte) }
  }

  mutating func absorb(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }

  var finished: UInt64 {
    var bits = state
    bits ^= bits >> 33
    bits &*= 0xff51_afd7_ed55_8ccd
    bits ^= bits >> 33
    bits &*= 0xc4ce_b9fe_1a85_ec53
    return bits ^ (bits >> 33)
  }
}

/// A set of hashes with a small number for each. Open addressing, linear probing.
///
/// Swift's own `Set` and `Dictionary` cost a tenth of a millisecond each when a process first uses them with a
/// new type, ten times what embedding a question costs; hence one of our own.
struct HashTable {
  /// 0 marks a free slot. A hash of 0 is taken for 1.
  private var hashes: [UInt64]
  private var values: [UInt16]
  private var count = 0

  /// - Parameter capacity: a power of two.
  init(capacity: Int) {
    hashes = [UInt64](repeating: 0, count: capacity)
    values = [UInt16](repeating: 0, count: capacity)
  }

  subscript(hash: UInt64) -> UInt16? {
    let slot = slot(of: hash)
    return hashes[slot] == 0 ? nil : values[slot]
  }

  /// - Returns: whether the hash is new; the value of a known one stays.
  @discardableResult
  mutating func insert(_ hash: UInt64, _ value: UInt16 = 0) -> Bool {
    let free = slot(of: hash)
    guard hashes[free] == 0 else { return false }
    hashes[free] = max(hash, 1)
    values[free] = value
    count += 1
    if count * 2 > hashes.count { grow() }
    return true
  }

  mutating func removeAll() {
    for slot in hashes.indices { hashes[slot] = 0 }
    count = 0
  }

  private func slot(of hash: UInt64) -> Int {
    let mask = hashes.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while hashes[slot] != 0, hashes[slot] != max(hash, 1) { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    var larger = HashTable(capacity: hashes.count * 2)
    for slot in hashes.indices where hashes[slot] != 0 { larger.insert(hashes[slot], values[slot]) }
    self = larger
  }
}
