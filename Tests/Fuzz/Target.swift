import Glibc

/// A function that reads bytes of other programs, and the conditions that must hold afterwards. Not to crash is the
/// least of them.
struct Target: Sendable {
  let name: String
  /// The words that inputs are made of, for libFuzzer's dictionary: from the definitions in the code, so that they
  /// stay up to date.
  var words: [String] = []
  /// Ends the process where something does not hold.
  let run: @Sendable (inout Input) -> Void
}

/// Ends the process, and libFuzzer keeps the input.
func expect(
  _ holds: Bool, _ what: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
  guard !holds else { return }
  say("== \(file):\(line): \(what())")
  abort()
}

/// For a command line that cannot be understood.
func refuse(_ why: String) -> Never {
  say(why)
  exit(64)
}

private func say(_ text: String) {
  let line = Array("\(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}

@_silgen_name("memfd_create")
private func createFileInMemory(_ name: UnsafePointer<CChar>, _ flags: UInt32) -> Int32

/// Calls `body` with a file in memory that holds the bytes, and its path.
func withFile<R>(of bytes: [UInt8], _ body: (_ descriptor: Int32, _ path: String) -> R) -> R {
  let descriptor = createFileInMemory("fuzz", 0)
  defer { close(descriptor) }
  expect(write(descriptor, bytes, bytes.count) == bytes.count, "no file in memory: \(errno)")
  return body(descriptor, "/proc/self/fd/\(descriptor)")
}

/// A text with its bytes, for messages.
func shown(_ bytes: some Sequence<UInt8>) -> String {
  String(decoding: Array(bytes), as: UTF8.self).debugDescription
}

/// Texts are equal to the byte. Swift takes canonically equivalent ones for equal.
func areSame(_ a: String?, _ b: String?) -> Bool {
  switch (a, b) {
  case (let a?, let b?): a.utf8.elementsEqual(b.utf8)
  case (nil, nil): true
  default: false
  }
}

/// An input, taken apart from its beginning. Texts in one are separated by the byte 255, which no UTF-8 holds.
struct Input {
  private(set) var rest: ArraySlice<UInt8>
  static let separator: UInt8 = 0xFF

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }

  /// The next byte; 0 behind the last.
  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  /// All that is left.
  mutating func remainder() -> [UInt8] {
    defer { rest = [] }
    return Array(rest)
  }

  /// The text before the next separator; empty after the last.
  mutating func field() -> [UInt8] {
    let field = Array(rest.prefix { $0 != Input.separator })
    rest = rest.dropFirst(field.count + 1)
    return field
  }

  /// All that is left, at its separators.
  mutating func fields() -> [[UInt8]] {
    remainder().split(separator: Input.separator, omittingEmptySubsequences: false).map(Array.init)
  }
}

/// `"word"`, as libFuzzer's dictionaries have it.
func dictionaryLine(_ word: String) -> String {
  let bytes = word.utf8.map { byte -> String in
    let isPlain = (0x20..<0x7F).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    return isPlain ? String(Unicode.Scalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
  return "\"" + bytes.joined() + "\""
}

// MARK: - libFuzzer

private typealias Callback = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>, _ callback: Callback
) -> Int32

/// The target. It is set once before libFuzzer starts, because its callback has no context.
nonisolated(unsafe) private var chosen: Target?

/// Runs libFuzzer in this process.
/// - Returns: its exit status.
func fuzz(_ target: Target) -> Int32 {
  chosen = target
  var count = CommandLine.argc
  var arguments = CommandLine.unsafeArgv
  return runDriver(&count, &arguments) { bytes, count in
    var input = Input(Array(UnsafeBufferPointer(start: bytes, count: count)))
    chosen?.run(&input)
    return 0
  }
}
