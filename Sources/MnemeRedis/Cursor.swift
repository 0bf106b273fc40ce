import Mneme

/// A walk that a server answers a page at a time: `SCAN` over its keys, or `SSCAN`, `HSCAN` or `ZSCAN` over the
/// members of one key.
///
/// Redis guarantees that elements which exist during the whole walk are returned at least once. They may be returned
/// twice, and elements that are added or removed during the walk may be missed
/// (<https://redis.io/docs/latest/commands/scan/>).
struct Cursor {
  /// The key or keys to walk over.
  enum Subject: Sendable {
    /// The keys of the server that match a pattern, limited to one type (`hash`, `zset`) if it is given and the server
    /// supports it (Redis 6.0 and later).
    case keys(matching: [UInt8], type: String? = nil)
    case set(Key)
    /// Elements are field, value, field, value.
    case hash(Key)
    /// Elements are member, score, member, score.
    case sortedSet(Key)

    /// The key that is walked over; nil for the keys of the server.
    var key: Key? {
      switch self {
      case .keys: nil
      case .set(let key), .hash(let key), .sortedSet(let key): key
      }
    }

    var command: String {
      switch self {
      case .keys: "SCAN"
      case .set: "SSCAN"
      case .hash: "HSCAN"
      case .sortedSet: "ZSCAN"
      }
    }
  }

  let subject: Subject
  private let pageSize: Int
  private var position = Cursor.start
  /// Whether the last page was taken.
  private(set) var isAtEnd = false

  private static let start = [UInt8(ascii: "0")]
  /// Members or keys in one page. The server takes about 50 µs for them.
  static let pageSize = 200

  init(_ subject: Subject, pageSize: Int = Cursor.pageSize) {
    self.subject = subject
    self.pageSize = pageSize
  }

  /// Appends the command for the next page.
  func append(to pipeline: inout Pipeline) -> Slot {
    switch subject {
    case .keys(let pattern, nil):
      pipeline.append("SCAN", position, "MATCH", pattern, "COUNT", pageSize)
    case .keys(let pattern, let type?):
      pipeline.append("SCAN", position, "MATCH", pattern, "COUNT", pageSize, "TYPE", type)
    case .set(let key): pipeline.append("SSCAN", key, position, "COUNT", pageSize)
    case .hash(let key): pipeline.append("HSCAN", key, position, "COUNT", pageSize)
    case .sortedSet(let key): pipeline.append("ZSCAN", key, position, "COUNT", pageSize)
    }
  }

  /// Takes the answer to the last `append`.
  /// - Returns: the elements of the page.
  /// - Throws: `StoreBackendError` for a reply that is not a page.
  mutating func take(_ reply: Reply) throws -> [Reply] {
    let page = try reply.elements(expecting: 2)
    position = page[0].bytes
    isAtEnd = position == Cursor.start
    return Array(page[1].elements)
  }
}

extension RedisClient {
  /// Walks over pages until the end. One round trip a page.
  /// - Parameters:
  ///   - shouldStop: asked before each page.
  ///   - read: requests a page; the server's errors stay among the replies.
  /// - Returns: whether the walk came to its end.
  /// - Throws: `CorruptCacheError` for a key of another type.
  @discardableResult
  func forEachPage(
    of subject: Cursor.Subject, shouldStop: () -> Bool = { false },
    reading read: (Pipeline) throws -> Replies,
    _ body: ([Reply]) throws -> Void
  ) throws -> Bool {
    var cursor = Cursor(subject)
    var isFirstPage = true
    while !cursor.isAtEnd {
      if shouldStop() { return false }
      var request = Pipeline()
      let page = cursor.append(to: &request)
      let reply = try read(request)[page]
      if let error = reply.error {
        if case .keys(let pattern, .some) = subject, isFirstPage, error.code == "ERR",
          !error.isUnknownCommand
        {
          // Redis before 6.0 does not support TYPE.
          return try forEachPage(
            of: .keys(matching: pattern), shouldStop: shouldStop, reading: read, body)
        }
        throw translate(error, command: subject.command, key: subject.key?.text)
      }
      isFirstPage = false
      try body(cursor.take(reply))
    }
    return true
  }
}

extension RedisStore {
  /// Walks over pages until the end. One round trip a page. A walk over the server's keys does not check the cache's
  /// identity.
  /// - Parameter shouldStop: asked before each page.
  /// - Returns: whether the walk came to its end.
  /// - Throws: `CorruptCacheError` for a key of another type.
  @discardableResult
  func forEachPage(
    of subject: Cursor.Subject, shouldStop: () -> Bool = { false }, _ body: ([Reply]) throws -> Void
  ) throws -> Bool {
    try client.forEachPage(of: subject, shouldStop: shouldStop) { request in
      subject.key == nil
        ? try client.read(request, tolerating: true) : try read(request, tolerating: true)
    } _: {
      try body($0)
    }
  }

  /// Walks over the pairs that a hash or a sorted set holds, a page at a time.
  @discardableResult
  func forEachPairPage(
    of subject: Cursor.Subject, shouldStop: () -> Bool = { false },
    _ body: ([(name: Reply, value: Reply)]) throws -> Void
  ) throws -> Bool {
    try forEachPage(of: subject, shouldStop: shouldStop) { elements in
      try body(stride(from: 0, to: elements.count - 1, by: 2).map { (elements[$0], elements[$0 + 1]) })
    }
  }
}
