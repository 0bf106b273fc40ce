import Mneme

/// The pages of a walk with a cursor, each with further reads about its elements. One round trip a page, because the
/// reads about one page are sent together with the cursor for the next. Used by one thread at a time.
final class CursorPages<Item: Sendable, Asked: Sendable>: @unchecked Sendable {
  struct Page: Sendable {
    var items: [(item: Item, asked: Asked)]
    var replies: Replies
    var isLast: Bool
  }

  private let store: RedisStore
  private var cursor: Cursor
  private let read: @Sendable ([Reply]) -> [Item]
  private let ask: @Sendable (Item, inout Pipeline) -> Asked
  /// The elements of the page that the cursor brought last; nil before the first.
  private var items: [Item]?
  private var isAtEnd = false

  /// - Parameters:
  ///   - read: reads the elements of a page.
  ///   - ask: appends the reads about these elements.
  init(
    _ store: RedisStore, _ subject: Cursor.Subject, read: @escaping @Sendable ([Reply]) -> [Item],
    ask: @escaping @Sendable (Item, inout Pipeline) -> Asked
  ) {
    (self.store, self.read, self.ask) = (store, read, ask)
    cursor = Cursor(subject)
  }

  /// - Returns: nil at the end, and if the key has another type.
  @Sendable func next() throws -> Page? {
    if isAtEnd { return nil }
    if items == nil {
      var request = Pipeline()
      let first = cursor.append(to: &request)
      guard try take(store.client.read(request, tolerating: true)[first]) else { return nil }
    }
    var request = Pipeline()
    let page = (items ?? []).map { ($0, ask($0, &request)) }
    isAtEnd = cursor.isAtEnd
    let following = isAtEnd ? nil : cursor.append(to: &request)
    let replies = try store.client.read(request, tolerating: true)
    if let following { isAtEnd = try !take(replies[following]) }
    return Page(items: page, replies: replies, isLast: isAtEnd)
  }

  /// - Returns: false for a key of another type.
  private func take(_ reply: Reply) throws -> Bool {
    if let error = reply.error {
      guard error.code == "WRONGTYPE" else {
        throw store.client.translate(error, command: cursor.subject.command, key: cursor.subject.key?.text)
      }
      isAtEnd = true
      return false
    }
    items = read(try cursor.take(reply))
    return true
  }

  /// Passes each page to `body` while the next one is read.
  func forEach(_ body: (Page) throws -> Void) throws {
    guard let first = try next() else { return }
    try body(first)
    if !first.isLast { try forEachReadAhead(next, body) }
  }
}
