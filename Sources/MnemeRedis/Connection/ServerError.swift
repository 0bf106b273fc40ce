import Mneme

/// An error reply of a server: a code for programs and a text for people.
struct ServerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The first word, `WRONGTYPE` or `ERR`; empty if it is not in capitals.
  let code: String
  /// The rest, fit for one line.
  let text: String

  /// - Parameter line: the text between `-` and the end of the line.
  init(line: UnsafeRawBufferPointer) {
    var (code, rest) = ServerError.splitCode(line[...])
    // If a server discards a transaction, its own error contains that of one of the commands.
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

  /// The error without its text. It is used for replies to a password, because the text may contain the password.
  var withoutText: ServerError { ServerError(code: code, text: Self.hidden) }

  /// The error without its text if the text contains a password, as that of a server or a proxy may.
  ///
  /// If the password is a word of Redis's own messages, the message stays. Without the word, or with asterisks for it,
  /// the message would reveal the password.
  func hiding(_ secret: Secret?) -> ServerError {
    let secret = Array((secret?.text ?? "").utf8)
    func isIn(_ text: String) -> Bool { ArraySlice(text.utf8).firstRange(ofBytes: secret) != nil }
    return secret.isEmpty || !isIn(text) || Self.ownWords.contains(where: isIn) ? self : withoutText
  }

  private static let hidden = "(its text may repeat what was sent, and is not shown)"

  /// Texts of Redis's own errors, without the names of commands.
  private static let ownWords = [
    "this user has no permissions to run the '' command or its subcommand",
    "this user has no permissions to access one of the keys used as arguments",
    "User has no permissions to run the '' command", "Authentication required.",
    "command not allowed when used memory > 'maxmemory'.", "max number of clients reached",
    "Transaction discarded because of previous errors.", "unknown command ''", "syntax error",
    "wrong number of arguments for '' command", "value is not an integer or out of range",
    "DB index is out of range", "Operation against a key holding the wrong kind of value",
    "You can't write against a read only replica.", "Redis is loading the dataset in memory",
    "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may "
      + "modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
      + "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the "
      + "RDB error.",
  ]

  /// Whether a valid command is refused, because the user may not run it, or because the service has removed it.
  var isNotPermitted: Bool { code == "NOPERM" || code == "ERR" }

  /// Whether the server does not have the command, because of `rename-command` or because the service has removed it.
  /// Redis has no separate code for that.
  var isUnknownCommand: Bool { code == "ERR" && text.lowercased().hasPrefix("unknown command") }

  var description: String { code.isEmpty ? text : text.isEmpty ? code : "\(code) \(text)" }

  /// Removes the arguments from an error about an unknown command. Redis repeats them, and a password, a query or a
  /// response may be among them.
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
