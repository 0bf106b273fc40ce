import Mneme

/// A walk over what a server answers a page at a time: `SCAN` over its keys, `SSCAN`, `HSCAN` or `ZSCAN` over what one
/// key holds.
///
/// Redis promises that what is there throughout the walk is met at least once. It may be met twice, and keys that
/// come or go in the meantime may be missed (<https://redis.io/docs/latest/commands/scan/>).
struct Cursor {
  /// The key or keys to walk over.
  enum Subject: Sendable {
    /// The keys of the server that a pattern matches, of one type where that is given (`hash`, `zset`) and the server can
    /// tell: Redis 6.0 and later.
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
  /// Members or keys in one page: the server walks over so many in some 50 µs.
  static let pageSize = 200

  init(_ subject: Subject, pageSize: Int = Cursor.pageSize) {
    self.subject = subject
    self.pageSize = pageSize
  }

  /// Asks for the next page.
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
  ///   - read: asks for a page; the server's errors stay in their places.
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
          // Redis before 6.0 knows no TYPE.
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
  /// Walks over pages until the end. One round trip a page. The keys of the server are walked over whatever the cache is.
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
