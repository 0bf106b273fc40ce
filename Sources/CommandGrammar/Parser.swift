/// Reads the words of a command line from left to right.
///
/// Options may precede the command, so the command's options are known only when all words have been read. Until
/// then options are looked up among those of every command (`problems()` makes sure that a name takes a value
/// everywhere or nowhere). `-h` at the end of any line prints help, so the first problem is kept and the parser
/// continues, looking for nothing but help. Only a command that does not exist ends it.
struct Parser {
  /// An option as it was found.
  struct Occurrence {
    let option: OptionSpec
    /// Nil for a switch.
    let text: String?
  }

  /// The first thing found wrong.
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
  /// The option that waits for its value behind the last word.
  private(set) var pending: OptionSpec?
  /// Help or version, whichever is asked for first.
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
    // `-url` for `--url` would otherwise be `-u` with the value `rl`, and mean it.
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

  /// The value of `--name value` and `-n value`. A word that looks like an option is left alone: more often
  /// than not the value was forgotten.
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

  /// Among the command's options and those of every command, and then among those of other commands: before
  /// the command is known they may turn out to be its own, and after it the error can say whose they are.
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
