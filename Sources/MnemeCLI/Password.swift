import Glibc

/// The first line of a file that holds a secret.
func firstLine(of path: String) throws -> String {
  guard let bytes = try InputFile(path).readAll(limit: 1 << 16),
    let text = String(validating: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
  else {
    throw FileError(
      status: .noInput, message: "The file '\(path)' holds no password.",
      remediation: "Put the password on its first line, in UTF-8.")
  }
  return text
}

/// Asks on the terminal, without echo.
func askForPassword() throws -> String {
  let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
  guard terminal >= 0 else {
    throw FileError(
      status: .noInput, message: "There is no terminal to ask for the password.",
      remediation: "Use --password-file or the variable MNEME_PASSWORD.", cause: systemMessage(errno))
  }
  defer { close(terminal) }
  var before = termios()
  tcgetattr(terminal, &before)
  var silent = before
  silent.c_lflag &= ~tcflag_t(ECHO)
  tcsetattr(terminal, TCSAFLUSH, &silent)
  defer { tcsetattr(terminal, TCSAFLUSH, &before) }
  Array("Password: ".utf8).withUnsafeBytes { _ = writeAll($0, to: terminal) }
  var typed: [UInt8] = []
  var byte: UInt8 = 0
  while read(terminal, &byte, 1) == 1, byte != 0x0A { typed.append(byte) }
  Array("\n".utf8).withUnsafeBytes { _ = writeAll($0, to: terminal) }
  return String(decoding: typed, as: UTF8.self)
}
