/// A shell's request for the words that can be typed at the end of an unfinished line.
///
/// The line is unfinished, so mistakes in it are ignored.
public struct CompletionRequest: Sendable {
  /// A word that can be typed.
  public struct Candidate: Sendable, Equatable {
    /// The word as the program will read it, without quotes.
    public var word: String
    /// One line of text; empty if the word needs none.
    public var description: String

    public init(_ word: String, description: String = "") {
      self.word = word
      self.description = description
    }
  }

  /// The kind of word that is expected at the cursor.
  enum Expected: Sendable, Equatable {
    case candidates([Candidate])
    /// Free text, with the name that it has in help.
    case text(String)
    case files, directories
    /// Values of this kind, which only the program can find out.
    case live(String)
  }

  /// The options before the cursor that are understood. Its arguments are not checked, and its command is
  /// `__complete` where none was typed.
  public let invocation: Invocation
  let expected: Expected
  /// The beginning of the word at the cursor that belongs to the option: `--shelf=`, `-s`, or nothing.
  let prefix: String
  private let shell: Shell
  /// The word at the cursor, without its quotes, up to the cursor.
  private let word: String
  /// In bash: the open quote, and the part of the word that readline keeps.
  private let line: BashLine

  /// - Parameter words: the name of a shell, then the arguments from its stub. Bash passes the characters at which it
  ///   cuts words, and the line. The others pass the words before the cursor, and the word at the cursor.
  init(_ words: [Word], _ grammar: Grammar) {
    let texts = words.map { word in if case .text(let text) = word { text } else { "" } }
    shell = texts.first.flatMap { Shell(rawValue: $0) } ?? .fish
    var before = Array(words.dropFirst().dropLast())
    let last = texts.dropFirst().last ?? ""
    switch shell {
    case .bash:
      line = BashLine(last, wordBreaks: texts.dropFirst().first ?? "")
      before = line.words.dropFirst().map { .text($0) }
      word = line.word
    case .zsh:
      line = BashLine("", wordBreaks: "")
      word = last
    case .fish:
      line = BashLine(last, wordBreaks: "")
      word = line.word
    }
    var parser = Parser(grammar, before)
    parser.walk()
    (prefix, expected) = grammar.expected(at: word, after: parser)
    invocation = Invocation(understoodIn: parser)
  }

  /// The text that the stub of the shell reads from standard output.
  ///
  /// - Parameter live: gives the values of a kind, as `Completion.dynamic` names it.
  public func answer(live: (_ kind: String, Invocation) -> [Candidate]) -> String {
    var lines: [String]
    switch expected {
    case .candidates(let candidates): lines = ["words"] + candidates.compactMap(spelled)
    case .live(let kind): lines = ["words"] + live(kind, invocation).compactMap(spelled)
    case .text(let name): lines = shell == .zsh ? ["text", name] : ["words"]
    case .files: lines = ["files"] + place
    case .directories: lines = ["directories"] + place
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Returns a candidate in the form for the shell. In bash, which compares nothing, it is nil if the candidate does
  /// not fit.
  private func spelled(_ candidate: Candidate) -> String? {
    let whole = prefix + candidate.word
    switch shell {
    case .bash: return whole.utf8.starts(with: word.utf8) ? line.quoted(whole) : nil
    case .zsh: return escaped(whole) + (candidate.description.isEmpty ? "" : ":\(candidate.description)")
    case .fish: return whole + (candidate.description.isEmpty ? "" : "\t\(candidate.description)")
    }
  }

  /// The place where the name of a file begins. Bash also needs the name, and the part that readline does not
  /// replace.
  private var place: [String] {
    switch shell {
    case .bash: [prefix, String(decoding: word.utf8.dropFirst(prefix.utf8.count), as: UTF8.self), line.head]
    case .zsh: ["\(prefix.unicodeScalars.count)"]
    case .fish: [prefix]
    }
  }

  /// Escapes a word for `_describe`, which ends a word at a colon.
  private func escaped(_ word: String) -> String { backslashed(word) { $0 == "\\" || $0 == ":" } }
}

extension Grammar {
  /// The hidden command by which a shell asks.
  static let completionCommand = "__complete"

  fileprivate func expected(
    at word: String, after parser: Parser
  ) -> (prefix: String, CompletionRequest.Expected) {
    if case .unknownCommand = parser.problem { return ("", .candidates([])) }
    if let option = parser.pending { return ("", expected(of: option)) }
    let shape = parser.optionsEnded ? .operand : Shape(word)
    switch shape {
    case .long(let name, _?):
      let option = parser.option { $0.name == name }
      return option.map { ("--\(name)=", expected(of: $0)) } ?? ("", .candidates([]))
    case .long, .endOfOptions:
      return ("", .candidates(options(after: parser)))
    case .operand where word == "-" && !parser.optionsEnded:
      return ("", .candidates(options(after: parser)))
    case .short(let letters) where !looksNegative(word):
      return expected(after: letters, parser)
    case .short, .operand:
      guard let scope = parser.scope else { return ("", .candidates(offeredCommands)) }
      return ("", expected(ofArgument: parser.operands.count, in: scope))
    }
  }

  /// Returns the expected word after letters: the value of the first letter that takes one.
  private func expected(
    after letters: Substring.UTF8View, _ parser: Parser
  ) -> (prefix: String, CompletionRequest.Expected) {
    var prefix = "-"
    for letter in Substring(letters) {
      guard let option = parser.option(where: { $0.short == letter }) else { break }
      prefix.append(letter)
      if option.value != nil { return (prefix, expected(of: option)) }
    }
    return ("", .candidates([]))
  }

  private func expected(ofArgument index: Int, in scope: Scope) -> CompletionRequest.Expected {
    guard let last = scope.arguments.last else { return .candidates([]) }
    if index < scope.arguments.count {
      return expected(of: scope.arguments[index].value, called: scope.arguments[index].name)
    }
    guard case .repeating = last.arity else { return .candidates([]) }
    return expected(of: last.value, called: last.name)
  }

  private func expected(of option: OptionSpec) -> CompletionRequest.Expected {
    option.value.map { expected(of: $0, called: $0.placeholder) } ?? .candidates([])
  }

  private func expected(of value: ValueSpec, called name: String) -> CompletionRequest.Expected {
    switch value.completion {
    case .nothing: .text(name)
    case .files: .files
    case .directories: .directories
    case .choices(let words), .suggestions(let words): .candidates(words.map { .init($0) })
    case .commands: .candidates(offeredCommands)
    case .dynamic(let kind): .live(kind)
    }
  }

  private var offeredCommands: [CompletionRequest.Candidate] {
    commands.filter(\.isOffered).map { .init($0.name, description: plain($0.summary)) }
  }

  /// The options that can still be given, by their long forms.
  private func options(after parser: Parser) -> [CompletionRequest.Candidate] {
    (parser.scope?.options ?? globalOptions)
      .filter { option in option.repeats || !parser.occurrences.contains { $0.option.name == option.name } }
      .map { .init($0.longForm, description: plain($0.summary)) }
  }
}
