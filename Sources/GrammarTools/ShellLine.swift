/// The words of a line as a shell would split it, as far as the examples in a help text need it: quotes,
/// backslashes, pipes, lists, redirections, and assignments before a command. Nothing is expanded.
enum ShellLine {
  /// The simple commands of the line, each without its assignments and redirections.
  static func commands(in line: String) -> [[String]] {
    var commands: [[String]] = [[]]
    var isTarget = false
    for token in tokens(of: line) {
      switch token {
      case .end:
        commands.append([])
        isTarget = false
      case .redirection:
        isTarget = true
      case .word(let word):
        let isAssignment = commands[commands.count - 1].isEmpty && assigns(word)
        if !isTarget, !isAssignment { commands[commands.count - 1].append(word) }
        isTarget = false
      }
    }
    return commands.filter { !$0.isEmpty }
  }

  private enum Token {
    case word(String)
    /// `|`, `;` or `&`.
    case end
    /// `<` or `>`.
    case redirection
  }

  private static func tokens(of line: String) -> [Token] {
    var tokens: [Token] = []
    var word: String?
    var quote: Character?
    var rest = Substring(line)
    func finish() {
      if let text = word { tokens.append(.word(text)) }
      word = nil
    }
    while let character = rest.popFirst() {
      switch (quote, character) {
      case (nil, "\""), (nil, "'"):
        quote = character
        word = word ?? ""
      case (let open?, _) where open == character:
        quote = nil
      case (nil, "\\"), ("\"", "\\"):
        if let next = rest.popFirst() { word = (word ?? "") + String(next) }
      case (nil, " "):
        finish()
      case (nil, "#") where word == nil:
        return tokens
      case (nil, "|"), (nil, ";"), (nil, "&"):
        finish()
        tokens.append(.end)
      case (nil, "<"), (nil, ">"):
        // The 2 of `2>` is not a word.
        if word?.allSatisfy(\.isNumber) == true { word = nil }
        finish()
        tokens.append(.redirection)
      default:
        word = (word ?? "") + String(character)
      }
    }
    finish()
    return tokens
  }

  private static func assigns(_ word: String) -> Bool {
    guard let equals = word.firstIndex(of: "="), equals != word.startIndex else { return false }
    return word[..<equals].allSatisfy { $0 == "_" || ($0.isASCII && ($0.isLetter || $0.isNumber)) }
  }
}
