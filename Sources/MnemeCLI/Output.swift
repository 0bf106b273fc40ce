import Glibc
import Synchronization

/// The streams for results and notes. Nothing else writes to the process's streams.
///
/// Results go to standard output in large pieces, notes to standard error immediately. A failed write throws, because
/// results that did not arrive must not look like a success.
final class Output {
  /// The width and the colours of standard output and standard error.
  let style: TerminalStyle
  /// The passwords of the command line, which no note and no error may show.
  let passwords: TypedPasswords
  private var pending: [UInt8] = []
  /// Notes wait for the end, because an error object must be alone on standard error: with `--json`.
  var holdsNotes = false
  private var held: [String] = []
  private static let pieceSize = 1 << 16

  init(style: TerminalStyle, hiding passwords: TypedPasswords = .init()) {
    self.style = style
    self.passwords = passwords
  }

  /// A result, as it is.
  /// - Throws: `ClosedPipe`, or `FileError` for a disk that is full.
  func write(_ bytes: some Collection<UInt8>) throws {
    try write { $0.append(contentsOf: bytes) }
  }

  /// Writes what `body` appends, without a copy of it in between.
  /// - Throws: `ClosedPipe`, or `FileError` for a disk that is full.
  func write(appending body: (inout [UInt8]) -> Void) throws {
    body(&pending)
    if pending.count >= Self.pieceSize { try flush() }
  }

  /// A result and a newline.
  func print(_ text: String) throws {
    try write(text.utf8)
    try write(CollectionOfOne(UInt8(ascii: "\n")))
  }

  /// A JSON value on a line of its own, harmless where it goes to a terminal.
  func print(_ value: JSONOutput) throws {
    guard !style.outputIsTerminal else { return try print(JSONOutput.harmless(value.text)) }
    // In pieces: an object with a row for each of many namespaces is in memory once, not three times.
    var bytes: [UInt8] = []
    try value.write(to: &bytes) { piece in
      try write(piece)
      piece.removeAll(keepingCapacity: true)
    }
    bytes.append(UInt8(ascii: "\n"))
    try write(bytes)
  }

  /// Sends what is pending on its way.
  func flush() throws {
    if style.outputIsTerminal, !pending.isEmpty { Output.clearPlace() }
    defer { pending.removeAll(keepingCapacity: true) }
    let number = pending.withUnsafeBytes { writeAll($0, to: STDOUT_FILENO) }
    if number == EPIPE { throw ClosedPipe() }
    if number == EINTR { throw Interruption.inOutput }
    if number != 0 { throw FileError.unwritten("to standard output", errno: number) }
  }

  /// A note or an error, on standard error. Nobody can be told when that fails.
  func note(_ text: String) {
    Output.clearPlace()
    Output.ask(text + "\n")
  }

  /// A note that does not have to be read now, without the program's name.
  func remark(_ text: String) {
    if holdsNotes { held.append(text) } else { note("mneme: \(text)") }
  }

  /// The notes that were held, which are not held any more.
  func takeHeldNotes() -> [String] {
    defer { held = [] }
    return held
  }

  /// Writes the notes that were held.
  func releaseNotes() {
    for text in takeHeldNotes() { note("mneme: \(text)") }
  }

  /// Text on standard error that an answer is typed behind.
  static func ask(_ text: String) {
    var text = text
    _ = text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
  }

  // MARK: The line in place

  private static let placeIsTaken = Atomic(false)

  /// A line on the terminal that the next takes the place of. It is gone before anything else is noted.
  static func showInPlace(_ line: String) {
    placeIsTaken.store(true, ordering: .relaxed)
    ask("\r\u{1B}[K" + line)
  }

  /// Takes that line away.
  static func clearPlace() {
    guard placeIsTaken.exchange(false, ordering: .relaxed) else { return }
    ask("\r\u{1B}[K")
  }
}

/// Takes the places of standard streams that the caller has closed (`>&-`). Otherwise the connection to Redis
/// would get such a number, and output would be sent to the server. Reading and writing these places fails.
func occupyStandardStreams() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    // The lowest number that is free, and so this one.
    _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
  }
}

/// Writes all of it, in as many calls as it takes.
/// - Returns: 0, or the error number: `EINTR` where a signal has come and the other end takes nothing.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
  var rest = bytes[...]
  while !rest.isEmpty {
    var count = rest.count
    if Interrupt().isRequested {
      // After a signal no write may wait for a reader. So much fits where there is room.
      var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&entry, 1, 1000) > 0 else { return EINTR }
      count = min(count, 4096)
    }
    count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, count)
    if count > 0 {
      rest = rest.dropFirst(count)
    } else if count < 0, errno != EINTR {
      return errno
    }
  }
  return 0
}
