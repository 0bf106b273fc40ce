import Glibc

/// Reads the password on the first line of a file.
/// - Parameter warn: called with a warning if other users can read the file.
/// - Throws: `FileError` (exit status 66) if the file cannot be read or has no password.
func readPassword(from path: String, warn: (String) -> Void) throws -> String {
  let file = try InputFile(path)
  if file.isReadableByOthers {
    warn("the password file '\(path)' can be read by other users; run 'chmod 600' on it.")
  }
  guard let all = try file.readAll(limit: 1 << 16), case let bytes = withoutByteOrderMark(all),
    let text = String(validating: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self), !text.isEmpty
  else {
    throw FileError(
      status: .noInput, message: "The file '\(path)' holds no password.",
      remediation: "Put the password on its first line, in UTF-8.")
  }
  return text
}

/// Asks for the password on the terminal, without echo, even if the standard streams are redirected.
///
/// The echo is restored afterwards, also after Ctrl-C and `kill`.
/// - Throws: `FileError` (exit status 66) if there is no terminal or nothing is typed, `Interruption`.
func askForPassword() throws -> String {
  let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
  guard terminal >= 0 else {
    throw FileError(
      status: .noInput, message: "There is no terminal to ask for the password on.",
      remediation: "Use --password-file or the variable MNEME_PASSWORD.", cause: systemMessage(errno))
  }
  defer { close(terminal) }
  let interrupt = Interrupt()
  let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
  interrupt.begin(signals, insists: true)
  defer { interrupt.end(signals) }

  var before = termios()
  tcgetattr(terminal, &before)
  var silent = before
  silent.c_lflag &= ~tcflag_t(ECHO)
  silent.c_lflag |= tcflag_t(ECHONL)
  // Characters that were typed before the question are dropped: they were not meant as an answer.
  tcsetattr(terminal, TCSAFLUSH, &silent)
  defer { tcsetattr(terminal, TCSAFLUSH, &before) }

  Array("Password: ".utf8).withUnsafeBytes { _ = writeAll($0, to: terminal) }
  var typed: [UInt8] = []
  var byte: UInt8 = 0
  do {
    repeat {
      try interrupt.awaitInput(on: terminal)
      guard read(terminal, &byte, 1) == 1 else { break }
      typed.append(byte)
    } while byte != 0x0A
  } catch {
    Array("\n".utf8).withUnsafeBytes { _ = writeAll($0, to: terminal) }
    throw error
  }
  if typed.last == 0x0A { typed.removeLast() }
  guard !typed.isEmpty else {
    throw FileError(
      status: .noInput, message: "No password was typed.", remediation: "Run the command again and type it.")
  }
  return String(decoding: typed, as: UTF8.self)
}
