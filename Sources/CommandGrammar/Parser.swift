/// A parser that reads the words of a command line from left to right.
///
/// Options may precede the command, so the command's options are known only after all words are read. Until then
/// options are looked up among those of all commands. (`problems()` checks that a name takes a value in all of them or
/// in none.) `-h` at the end of any line prints help, so after the first mistake the parser continues and looks only
/// for help. It ends only at a command that does not exist.
struct Parser {
  /// An option as it was found.
  struct Occurrence {
    let option: OptionSpec
    /// Nil for a switch.
    let text: String?
  }

  /// The first mistake.
  enum Problem {
    case unknownOption(String)
    case unknownLetter(Character, in: String)
    case equalsAfterLetter(OptionSpec, String)
    case missingValue(OptionSpec, before: String?)
    case needlessValue(OptionSpec, String)
    case unknownCommand(String)
    case invalidUTF8(position: Int, offset: Int)
  }

  let grammar: Grammar
  private let words: [Word]
  private var position = 0
  private(set) var scope: Scope?
  private(set) var occurrences: [Occurrence] = []
  private(set) var operands: [String] = []
  private(set) var problem: Problem?
  /// Whether two dashes have ended the options.
  private(set) var optionsEnded = false
  /// The option whose value is missing after the last word.
  private(set) var pending: OptionSpec?
  /// Help or version, whichever comes first.
  private(set) var asked: Asked?

  enum Asked {
    case help(HelpForm)
    case version
  }

  init(_ grammar: Grammar, _ words: [Word]) {
    self.grammar = grammar
    self.words = words
  }

  /// Walks over all words.
  mutating func walk() {
    while position < words.count {
      let word = words[position]
      position += 1
      switch word {
      case .invalid(let offset):
        note(.invalidUTF8(position: position, offset: offset))
      case .text(let text) where optionsEnded:
        take(operand: text)
      case .text(let text):
        switch Shape(text) {
        case .endOfOptions: optionsEnded = true
        case .operand: take(operand: text)
        case .long(let name, let value): take(long: name, value, word: text)
        case .short(let letters): take(short: letters, word: text)
        }
      }
      if case .unknownCommand = problem { return }
    }
  }

  private mutating func note(_ problem: Problem) {
    if self.problem == nil { self.problem = problem }
  }

  private mutating func take(operand word: String) {
    if scope != nil {
      operands.append(word)
    } else if let command = grammar.command(named: word) {
      scope = Scope(command, of: grammar)
    } else if asked == nil {
      note(.unknownCommand(word))
    }
  }

  private mutating func take(long name: String, _ value: String?, word: String) {
    guard let option = option(where: { $0.name == name }) else {
      return note(.unknownOption(value == nil ? word : "--\(name)"))
    }
    if option.value == nil {
      guard value == nil else { return note(.needlessValue(option, word)) }
      take(switch: option, helpForm: .long)
    } else if let value {
      occurrences.append(Occurrence(option: option, text: value))
    } else if let implied = option.impliedText {
      occurrences.append(Occurrence(option: option, text: implied))
    } else {
      takeNextWord(for: option)
    }
  }

  private mutating func take(short letters: Substring.UTF8View, word: String) {
    if looksNegative(word), nextArgumentIsNumeric { return take(operand: word) }
    // `-url` would otherwise be `-u` with the value `rl`, although `--url` is meant.
    let name = String(Substring(letters.prefix { $0 != UInt8(ascii: "=") }))
    if letters.count > 1, option(where: { $0.name == name }) != nil {
      return note(.unknownOption("-\(name)"))
    }
    var rest = letters
    while let letter = Substring(rest).unicodeScalars.first.map(Character.init) {
      guard let option = option(where: { $0.short == letter }) else {
        // `-ttl` as a whole is probably a long name, but in `-qx` only one letter is unknown.
        let isFirst = rest.count == letters.count
        return note(isFirst ? .unknownOption(word) : .unknownLetter(letter, in: word))
      }
      rest.removeFirst()
      if option.value == nil {
        take(switch: option, helpForm: .short)
      } else if rest.isEmpty {
        return takeNextWord(for: option)
      } else if rest.first == UInt8(ascii: "=") {
        return note(.equalsAfterLetter(option, String(Substring(rest.dropFirst()))))
      } else {
        return occurrences.append(Occurrence(option: option, text: String(Substring(rest))))
      }
    }
  }

  private mutating func take(switch option: OptionSpec, helpForm: HelpForm) {
    switch option.name {
    case BuiltIn.help.spec.name: asked = asked ?? .help(helpForm)
    case BuiltIn.version.spec.name: asked = asked ?? .version
    default: occurrences.append(Occurrence(option: option, text: nil))
    }
  }

  /// Takes the value of `--name value` and `-n value`. A word that looks like an option is not taken, because the
  /// value was probably forgotten.
  private mutating func takeNextWord(for option: OptionSpec) {
    guard position < words.count else {
      pending = option
      return note(.missingValue(option, before: nil))
    }
    // Words that are not UTF-8 are reported by the parser.
    guard case .text(let word) = words[position] else { return }
    switch Shape(word) {
    case .operand: break
    case .short where looksNegative(word) && option.value?.isNumeric == true: break
    default: return note(.missingValue(option, before: word))
    }
    position += 1
    occurrences.append(Occurrence(option: option, text: word))
  }

  /// Finds an option among those of this command and of every command, then among those of other commands. Before the
  /// command is known, these may be its own. After it, the error can name the command to which they belong.
  func option(where matches: (OptionSpec) -> Bool) -> OptionSpec? {
    if let found = (scope?.options ?? grammar.globalOptions).first(where: matches) { return found }
    for command in grammar.commands {
      if let found = command.options.first(where: matches) { return found }
    }
    return nil
  }

  private var nextArgumentIsNumeric: Bool {
    guard let arguments = scope?.arguments, let last = arguments.last else { return false }
    return (operands.count < arguments.count ? arguments[operands.count] : last).value.isNumeric
  }
}
