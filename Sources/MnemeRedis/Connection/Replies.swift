import CHiredis

/// The replies to the commands of one pipeline, in order: `replies[slot]` is the one to the command that returned the
/// slot when it was appended.
///
/// All replies of an exchange share one tape, so that keeping a single reply keeps them all in memory.
struct Replies: RandomAccessCollection, Sendable {
  let tape: Tape
  /// The reply to `EXEC` whose elements these are; nil if they are replies of the exchange itself.
  private let exec: Reply?
  /// Replies to commands that were sent before the caller's own.
  private let skipped: Int

  init(tape: Tape, skipped: Int) {
    self.tape = tape
    self.skipped = skipped
    exec = nil
  }

  /// The replies to the commands of a transaction, as `EXEC` answers them.
  init(elementsOf reply: Reply) {
    tape = reply.tape
    skipped = 0
    exec = reply
  }

  static let none = Replies(tape: Tape(limit: 0), skipped: 0)

  var startIndex: Int { 0 }
  var endIndex: Int { exec?.count ?? tape.rootCount - skipped }

  subscript(position: Int) -> Reply {
    precondition(indices.contains(position), "a reply that was not asked for")
    return exec?[position] ?? Reply(tape: tape, index: tape.root(skipped + position))
  }

  /// Returns the replies after the first `count`, which are the replies to another pipeline.
  func dropping(_ count: Int) -> Replies { Replies(tape: tape, skipped: skipped + count) }

  /// The number of bytes of all strings in the replies.
  var byteCount: Int { tape.storage.pointee.arena_count }
}

/// One reply, or an element of one: a place on the tape.
struct Reply: Sendable {
  enum Kind { case string, status, integer, null, array, error }

  let tape: Tape
  let index: Int

  init(tape: Tape, index: Int) {
    self.tape = tape
    self.index = index
  }

  private var node: mneme_node { tape.node(index) }

  var kind: Kind {
    switch node.kind {
    case MNEME_STRING: .string
    case MNEME_STATUS: .status
    case MNEME_INTEGER: .integer
    case MNEME_ARRAY: .array
    case MNEME_ERROR: .error
    default: .null
    }
  }

  /// Whether it is a null string or a null array: no such key, or a transaction that failed because of a watched key.
  var isNull: Bool { node.kind == MNEME_NULL }

  /// The number of elements of an array; 0 for any other reply.
  var count: Int { node.kind == MNEME_ARRAY ? Int(node.length) : 0 }

  /// Passes the bytes of a string, status or error, or the digits of an integer; for other replies, no bytes.
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    let node = node
    switch node.kind {
    case MNEME_STRING, MNEME_STATUS, MNEME_ERROR:
      return try withExtendedLifetime(tape) { try body(tape.bytes(of: node)) }
    case MNEME_INTEGER:
      return try Array(String(node.value).utf8).withUnsafeBytes(body)
    default:
      return try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  var bytes: [UInt8] { withBytes { [UInt8]($0) } }

  /// The bytes as text; nil for bytes that are not valid UTF-8, and for null and arrays.
  var string: String? {
    switch node.kind {
    case MNEME_NULL, MNEME_ARRAY: nil
    default: withBytes { String(validating: $0, as: UTF8.self) }
    }
  }

  /// An integer, or a string that is one as Redis writes it: no sign but `-`, no leading zero, no blank.
  var integer: Int64? {
    let node = node
    switch node.kind {
    case MNEME_INTEGER: return node.value
    case MNEME_STRING, MNEME_STATUS: return withBytes(Int64.init(strictDecimal:))
    default: return nil
    }
  }

  /// The largest accepted size: 2^50, a thousand times the memory of any server. Sums and products of such sizes do not
  /// overflow, even if a server returns false sizes.
  static let largestSize: Int64 = 1 << 50

  /// The number of members or bytes, as `ZCARD` and `MEMORY USAGE` return it; nil if the reply is not a number.
  var size: Int? { integer.map { Int(min(max($0, 0), Reply.largestSize)) } }

  /// The elements of an array; none for any other reply.
  var elements: Elements {
    let node = node
    return Elements(tape: tape, cursor: index + 1, end: node.kind == MNEME_ARRAY ? Int(node.end) : index + 1)
  }

  /// The element at `position` of an array. It is found immediately if no element is itself an array, and else by a
  /// walk.
  ///
  /// It is null if there is no such element, or if this is not an array, because a reply of another program must not
  /// crash the process.
  subscript(position: Int) -> Reply {
    let node = node
    guard node.kind == MNEME_ARRAY, 0..<Int(node.length) ~= position else { return .null }
    var child = index + 1
    if Int(node.end) == child + Int(node.length) { return Reply(tape: tape, index: child + position) }
    for _ in 0..<position { child = Int(tape.node(child).end) }
    return Reply(tape: tape, index: child)
  }

  /// The reply for a missing element.
  private static let null: Reply = {
    let tape = Tape(limit: 1024)
    mneme_tape_append_null(tape.storage)
    return Reply(tape: tape, index: 0)
  }()

  /// The error, if the server answered with one.
  var error: ServerError? {
    guard node.kind == MNEME_ERROR else { return nil }
    return withBytes { ServerError(line: $0) }
  }

  /// A walk over the elements of an array that skips nested elements.
  struct Elements: Sequence, IteratorProtocol {
    fileprivate let tape: Tape
    fileprivate var cursor: Int
    fileprivate let end: Int

    mutating func next() -> Reply? {
      guard cursor < end else { return nil }
      defer { cursor = Int(tape.node(cursor).end) }
      return Reply(tape: tape, index: cursor)
    }
  }
}

extension Int64 {
  /// Parses a number in the form in which Redis writes it; nil for any other text, and on overflow.
  init?(strictDecimal text: UnsafeRawBufferPointer) {
    let negative = text.first == UInt8(ascii: "-")
    let digits = text.dropFirst(negative ? 1 : 0)
    guard let first = digits.first, digits.count <= 19 else { return nil }
    if first == UInt8(ascii: "0") && (negative || digits.count > 1) { return nil }
    var number: Int64 = 0
    for byte in digits {
      let digit = Int64(byte) - 48
      guard 0...9 ~= digit else { return nil }
      let (shifted, tooBig) = number.multipliedReportingOverflow(by: 10)
      let (sum, over) =
        negative
        ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
      if tooBig || over { return nil }
      number = sum
    }
    self = number
  }
}
