import Mneme

/// An error that a server answered with: a code that programs tell errors apart by, and words for people.
struct ServerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The first word, `WRONGTYPE` or `ERR`; empty if it is not in capitals.
  let code: String
  /// The rest, fit for one line.
  let text: String

  /// - Parameter line: the text between `-` and the end of the line.
  init(line: UnsafeRawBufferPointer) {
    var (code, rest) = ServerError.splitCode(line[...])
    // A server that could queue a transaction and not run it gives the error of one of the commands behind its own.
    let reason = "Transaction discarded because of: "
    if code == "EXECABORT", rest.starts(with: reason.utf8) {
      let (inner, others) = ServerError.splitCode(rest.dropFirst(reason.utf8.count))
      if !inner.isEmpty { (code, rest) = (inner, others) }
    }
    self.code = code
    let shown = String(decoding: rest.prefix(500), as: UTF8.self)
    text = visible(ServerError.withoutArguments(shown))
  }

  private static func splitCode(
    _ line: Slice<UnsafeRawBufferPointer>
  ) -> (code: String, rest: Slice<UnsafeRawBufferPointer>) {
    let word = line.prefix { 65...90 ~= $0 }
    guard !word.isEmpty, word.endIndex == line.endIndex || line[word.endIndex] == UInt8(ascii: " ") else {
      return ("", line)
    }
    return (String(decoding: word, as: UTF8.self), line[word.endIndex...].drop { $0 == UInt8(ascii: " ") })
  }

  private init(code: String, text: String) { (self.code, self.text) = (code, text) }

  /// The error without the password, which a server or proxy may repeat.
  func hiding(_ secret: Secret?) -> ServerError {
    ServerError(code: code, text: redacting(secret?.text, in: text))
  }

  /// Whether a correct command is refused: this user may not run it, or the service that runs the server has removed it.
  var isNotPermitted: Bool { code == "NOPERM" || code == "ERR" }

  var description: String { code.isEmpty ? text : text.isEmpty ? code : "\(code) \(text)" }

  /// Redis repeats the arguments of a command that it does not know, and a password, a query or an answer may be
  /// among them.
  private static func withoutArguments(_ text: String) -> String {
    let marker = ", with args beginning with"
    var start = text.utf8.startIndex
    while start < text.utf8.endIndex {
      if text.utf8[start...].starts(with: marker.utf8) {
        return String(decoding: text.utf8[..<start], as: UTF8.self)
      }
      start = text.utf8.index(after: start)
    }
    return text
  }
}
