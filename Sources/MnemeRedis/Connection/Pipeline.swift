/// Commands in the encoding of the protocol, to be sent in one write.
///
/// Each command is an array of strings, `*2 CRLF $3 CRLF GET CRLF $1 CRLF k CRLF`, appended to one growing
/// buffer: an argument costs no allocation. A pipeline can be emptied and filled again, which keeps its memory.
struct Pipeline: Sendable {
  private(set) var bytes: [UInt8] = []
  /// The number of commands, and so of replies.
  private(set) var count = 0
  /// Whether it contains `WATCH`, so that its connection watches keys until `EXEC` or `UNWATCH`.
  private(set) var watches = false
  /// The number of arguments that `begin` has announced and that are missing.
  private var argumentsLeft = 0
  private static let watch = Array("WATCH".utf8)

  init() {}

  var isEmpty: Bool { count == 0 }
  /// Whether all announced arguments were appended.
  var isComplete: Bool { argumentsLeft == 0 }
  var byteCount: Int { bytes.count }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    count = 0
    watches = false
    argumentsLeft = 0
  }

  /// Appends a command whose arguments are known here: `append("HGET", key, "namespace")`.
  /// - Returns: the slot of its reply.
  @inline(__always)
  @discardableResult
  mutating func append<each Argument: RedisArgument>(
    _ name: StaticString, _ arguments: repeat each Argument
  ) -> Slot {
    var argumentCount = 0
    for _ in repeat each arguments { argumentCount += 1 }
    let slot = begin(name, argumentCount: argumentCount)
    for value in repeat each arguments { argument(value) }
    return slot
  }

  /// Begins a command. Exactly `argumentCount` calls of `argument` must follow before anything else.
  /// - Returns: the slot of its reply.
  @discardableResult
  mutating func begin(_ name: StaticString, argumentCount: Int) -> Slot {
    precondition(argumentsLeft == 0, "the command before lacks arguments")
    let slot = Slot(position: count)
    argumentsLeft = argumentCount
    count += 1
    header(UInt8(ascii: "*"), argumentCount + 1)
    let nameBytes = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    if nameBytes.count == Self.watch.count, nameBytes.elementsEqual(Self.watch) { watches = true }
    string(nameBytes)
    return slot
  }

  /// Appends a command for several keys, such as `WATCH`. Without keys it appends nothing.
  /// - Returns: the slot of its reply, if it was appended.
  @discardableResult
  mutating func append(_ name: StaticString, each keys: some Collection<some RedisArgument>) -> Slot {
    guard !keys.isEmpty else { return Slot(position: count) }
    let slot = begin(name, argumentCount: keys.count)
    for key in keys { argument(key) }
    return slot
  }

  @inline(__always)
  mutating func argument(_ value: some RedisArgument) {
    value.withArgumentBytes { argument(raw: $0) }
  }

  mutating func argument(raw value: UnsafeRawBufferPointer) {
    precondition(argumentsLeft > 0, "more arguments than were announced")
    argumentsLeft -= 1
    string(value)
  }

  /// Appends one command as another pipeline has encoded it.
  mutating func append(encoded command: ArraySlice<UInt8>) {
    bytes.append(contentsOf: command)
    count += 1
  }

  /// Appends all commands of another pipeline.
  mutating func append(contentsOf other: Pipeline) {
    precondition(argumentsLeft == 0 && other.argumentsLeft == 0, "a command lacks arguments")
    bytes.append(contentsOf: other.bytes)
    count += other.count
    watches = watches || other.watches
  }

  private mutating func string(_ value: UnsafeRawBufferPointer) {
    header(UInt8(ascii: "$"), value.count)
    bytes.append(contentsOf: value)
    Self.lineEnd.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }

  private static let lineEnd: StaticString = "\r\n"

  /// Appends a type, a number and a line end. They are written backwards on the stack and appended together.
  private mutating func header(_ type: UInt8, _ number: Int) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { line in
      var first = 22
      line[22] = UInt8(ascii: "\r")
      line[23] = UInt8(ascii: "\n")
      var rest = number
      repeat {
        first -= 1
        line[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      first -= 1
      line[first] = type
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: line[first...]))
    }
  }
}
