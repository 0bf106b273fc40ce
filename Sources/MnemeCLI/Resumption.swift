import CommandGrammar
import MnemeRedis

/// The line after which an import continues, in the form of `--since-line`: `35456@e3c4ecb6.41234`, or the number
/// alone.
struct Resumption: Sendable {
  var line = 0
  /// The server that has stored the earlier lines. Another mark means that the server may have lost them.
  var mark: ServerMark?

  static let kind = ValueKind<Resumption>(
    placeholder: "LINE", isNumeric: true,
    parse: { text throws(ValueProblem) in
      let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
      let line = try ValueKind.count("LINE", 0...Int.max).parse(String(parts[0]))
      guard parts.count == 2 else { return Resumption(line: line) }
      guard let mark = ServerMark(String(parts[1])) else {
        throw ValueProblem(
          "is not a line with the mark of a server",
          advice: "copy it whole from the message, as 35456@e3c4ecb6.41234")
      }
      return Resumption(line: line, mark: mark)
    },
    format: { $0.description })

  var description: String { "\(line)" + (mark.map { "@\($0)" } ?? "") }
}
