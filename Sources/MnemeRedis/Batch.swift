/// The limits of one request.
///
/// While the server works on a request every other client waits. So each request is short, at most some 0.25 ms
/// of the server's time. If there is much to do, the next request is always there when the server is done with the
/// last one (`Lanes`).
enum Batch {
  /// Entries that one transaction writes, each with its own keys.
  static let written = 8
  /// Entries that one transaction removes, which is less work.
  static let removed = 16
  /// Entries that are read whole in one request.
  static let entries = 32
  /// Entries in one request that reads some twenty values about each.
  static let examined = 16
  /// Reads of small values in one request.
  static let keys = 64
  /// Members of an index in one page, for walks without a cursor.
  static let page = Cursor.pageSize
  /// Vectors in one request.
  static let vectors = 256
  /// The most bytes that the replies to one request should have. Pages are smaller if entries are large.
  static let bytes = 512 << 10
}

extension RandomAccessCollection where Index == Int {
  /// Cuts the elements into slices of at most `size`, in order.
  func slices(of size: Int) -> [SubSequence] {
    stride(from: startIndex, to: endIndex, by: size).map { self[$0..<Swift.min($0 + size, endIndex)] }
  }
}

extension RedisStore {
  /// The default limits of a transaction that stores entries: their number, and their bytes.
  package static let preferredBatch = (count: Batch.written, bytes: Batch.bytes)
  /// The number of entries that one transaction removes.
  package static let removalBatch = Batch.removed
}
