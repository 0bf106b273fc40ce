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
  /// Whether notes are held until the end. With `--json` an error object must be alone on standard error.
  var holdsNotes = false
  private var held: [String] = []
  private static let pieceSize = 1 << 16

  init(style: TerminalStyle, hiding passwords: TypedPasswords = .init()) {
    self.style = style
    self.passwords = passwords
  }

  /// Writes a result unchanged.
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

  /// Writes a result and a newline.
  func print(_ text: String) throws {
    try write(text.utf8)
    try write(CollectionOfOne(UInt8(ascii: "\n")))
  }

  /// Writes a JSON value on a line of its own, with control characters escaped on a terminal.
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

  /// Writes the buffered results.
  func flush() throws {
    if style.outputIsTerminal, !pending.isEmpty { Output.clearPlace() }
    defer { pending.removeAll(keepingCapacity: true) }
    let number = pending.withUnsafeBytes { writeAll($0, to: STDOUT_FILENO) }
    if number == EPIPE { throw ClosedPipe() }
    if number == EINTR { throw Interruption.inOutput }
    if number != 0 { throw FileError.unwritten("to standard output", errno: number) }
  }

  /// Writes a note or an error to standard error. If that fails, there is nowhere to report it.
  func note(_ text: String) {
    Output.clearPlace()
    Output.ask(text + "\n")
  }

  /// Writes a note with the program's name before it, or holds it if `holdsNotes` is set.
  func remark(_ text: String) {
    if holdsNotes { held.append(text) } else { note("mneme: \(text)") }
  }

  /// Returns the held notes and holds them no longer.
  func takeHeldNotes() -> [String] {
    defer { held = [] }
    return held
  }

  /// Writes the notes that were held.
  func releaseNotes() {
    for text in takeHeldNotes() { note("mneme: \(text)") }
  }

  /// Writes a question to standard error, without a line end.
  static func ask(_ text: String) {
    var text = text
    _ = text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
  }

  // MARK: The line in place

  private static let placeIsTaken = Atomic(false)

  /// Shows a line on the terminal that the next one replaces. It is erased before any other note.
  static func showInPlace(_ line: String) {
    placeIsTaken.store(true, ordering: .relaxed)
    ask("\r\u{1B}[K" + line)
  }

  /// Erases that line.
  static func clearPlace() {
    guard placeIsTaken.exchange(false, ordering: .relaxed) else { return }
    ask("\r\u{1B}[K")
  }
}

/// Opens `/dev/null` for standard streams that the caller has closed (`>&-`). Otherwise the connection to Redis
/// would get such a descriptor, and output would be sent to the server. Reading and writing these streams fails.
func occupyStandardStreams() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    // `open` returns the lowest free descriptor, which is this one.
    _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
  }
}

/// Writes all of it, in as many calls as it takes.
/// - Returns: 0, or the error number: `EINTR` if a signal has come and the reader does not read.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
  var rest = bytes[...]
  while !rest.isEmpty {
    var count = rest.count
    if Interrupt().isRequested {
      // After a signal no write may wait for a reader. `POLLOUT` means that `PIPE_BUF` bytes fit.
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
