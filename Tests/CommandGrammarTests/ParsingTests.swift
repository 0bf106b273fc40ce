import Testing

@testable import CommandGrammar

/// Describes a parsed command line in one line: the command, its arguments in brackets, then the options by name.
private func reading(_ words: [String]) throws -> String {
  switch try SampleProgram.grammar.parse(words) {
  case .help(let command, let form): return "help \(command?.name ?? "-") \(form)"
  case .version: return "version"
  case .complete(let request): return "complete \(description(request.invocation))"
  case .run(let invocation): return description(invocation)
  }
}

private func description(_ invocation: Invocation) -> String {
  var options: [String: [String]] = [:]
  for case (.option(let name), let text) in invocation.given.map({ ($0.member, $0.text) }) {
    options[name, default: []].append(text)
  }
  let sorted = options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.joined(separator: ","))" }
  return ([invocation.command.name, "\(invocation.arguments)"] + sorted).joined(separator: " ")
}

@Suite("Parsing a command line")
struct ParsingTests {
  @Test(
    "options can be anywhere and are written in every usual way",
    arguments: [
      (["list"], "list []"),
      (["--json", "list"], "list [] json="),
      (["list", "--json"], "list [] json="),
      (["--shelf", "top", "list"], #"list [] shelf=top"#),
      (["-s", "top", "list"], #"list [] shelf=top"#),
      (["list", "--shelf=top"], "list [] shelf=top"),
      (["list", "-stop"], "list [] shelf=top"),
      (["list", "-s", "top"], "list [] shelf=top"),
      (["list", "-qstop"], "list [] quiet= shelf=top"),
      (["list", "-qs", "top"], "list [] quiet= shelf=top"),
      (["throw-out", "-qn", "a"], #"throw-out ["a"] dry-run= quiet="#),
      (["list", "--shelf="], nil),
      (["add", "--label=", "jam"], #"add ["jam"] label="#),
      (["add", "--label=a=b", "jam"], #"add ["jam"] label=a=b"#),
      (["add", "-l", "a", "jam", "--label", "b", "-lc"], #"add ["jam"] label=a,b,c"#),
      (["add", "jam", "3"], #"add ["jam", "3"]"#),
    ] as [([String], String?)])
  func spellings(words: [String], expected: String?) throws {
    guard let expected else {
      #expect(throws: UsageError.self) { try reading(words) }
      return
    }
    #expect(try reading(words) == expected)
  }

  @Test("two dashes end the options, and one dash is an argument")
  func dashes() throws {
    #expect(try reading(["add", "--", "--json"]) == #"add ["--json"]"#)
    #expect(try reading(["--", "add", "-h"]) == #"add ["-h"]"#)
    #expect(try reading(["add", "--", "--", "2"]) == #"add ["--", "2"]"#)
    #expect(try reading(["load", "-"]) == #"load ["-"]"#)
    #expect(try reading(["add", "--label", "-", "jam"]) == #"add ["jam"] label=-"#)
  }

  @Test("a negative number is a value where a number is wanted, and an option elsewhere")
  func negativeNumbers() throws {
    #expect(try reading(["add", "jam", "--temperature", "-5"]) == #"add ["jam"] temperature=-5"#)
    #expect(try reading(["add", "jam", "-t-5"]) == #"add ["jam"] temperature=-5"#)
    #expect(throws: UsageError.self) { try reading(["add", "jam", "--label", "-5"]) }
    #expect(throws: UsageError.self) { try reading(["add", "-5"]) }
    // An argument of this form reaches the kind, whose error is about the number.
    let error = #expect(throws: UsageError.self) { try reading(["add", "jam", "-5"]) }
    #expect(error?.message == "AMOUNT: '-5' is too small; it must be from 1 to 100")
  }

  @Test("a value that begins with a combining mark keeps it")
  func combiningMarks() throws {
    guard case .run(let invocation) = try SampleProgram.grammar.parse(["list", "--shelf=\u{301}a"]) else {
      Issue.record("a run was expected")
      return
    }
    #expect(Array(invocation[SampleProgram.shelf].utf8) == Array("\u{301}a".utf8))
    guard case .run(let short) = try SampleProgram.grammar.parse(["list", "-s\u{301}a"]) else {
      Issue.record("a run was expected")
      return
    }
    #expect(Array(short[SampleProgram.shelf].utf8) == Array("\u{301}a".utf8))
  }

  @Test("values have their types, and options that are not given have their defaults")
  func typedValues() throws {
    let words = ["add", "jam", "7", "--keeps", "1h30m", "--price=2.5", "-lx", "--color", "never"]
    guard case .run(let invocation) = try SampleProgram.grammar.parse(words) else {
      Issue.record("a run was expected")
      return
    }
    #expect(invocation[SampleProgram.item] == "jam")
    #expect(invocation[SampleProgram.amount] == 7)
    #expect(invocation[SampleProgram.keeps] == .seconds(5400))
    #expect(invocation[SampleProgram.price] == 2.5)
    #expect(invocation[SampleProgram.label] == ["x"])
    #expect(invocation[SampleProgram.color] == .never)
    #expect(invocation[SampleProgram.shelf] == "middle")
    #expect(invocation[SampleProgram.note] == nil)
    #expect(!invocation[SampleProgram.json])
    #expect(invocation.isGiven(SampleProgram.keeps))
    #expect(!invocation.isGiven(SampleProgram.shelf))
  }

  @Test("repeating arguments take all the words that are left")
  func repeatingArguments() throws {
    guard case .run(let invocation) = try SampleProgram.grammar.parse(["find", "a", "b", "c"]) else {
      Issue.record("a run was expected")
      return
    }
    #expect(invocation[SampleProgram.words] == ["a", "b", "c"])
  }

  @Test("reading an option that the command does not declare stops the program")
  func undeclared() async {
    await #expect(processExitsWith: .failure) {
      guard case .run(let invocation) = try SampleProgram.grammar.parse(["list"]) else { return }
      _ = invocation[SampleProgram.keeps]
    }
    await #expect(processExitsWith: .failure) {
      guard case .run(let invocation) = try SampleProgram.grammar.parse(["list"]) else { return }
      _ = invocation[SampleProgram.home]
    }
  }
}

@Suite("Help, version and completion")
struct AskingTests {
  @Test(
    "help and version are found anywhere, and take precedence over errors elsewhere",
    arguments: [
      (["help"], "help - long"),
      (["help", "add"], "help add long"),
      (["help", "--json"], "help - long"),
      (["help", "add", "-h"], "help add short"),
      (["help", "-h"], "help help short"),
      (["help", "help"], "help help long"),
      (["-h"], "help - short"),
      (["--help"], "help - long"),
      (["add", "-h"], "help add short"),
      (["add", "--help"], "help add long"),
      (["--help", "add"], "help add long"),
      (["-qh", "add"], "help add short"),
      (["--version"], "version"),
      (["add", "--version"], "version"),
      (["--version", "--help"], "version"),
      (["-h", "--version"], "help - short"),
      (["--help", "bogus"], "help - long"),
      (["--version", "bogus"], "version"),
      (["add", "--bogus", "--help"], "help add long"),
      (["add", "--keeps", "--help"], "help add long"),
      (["add", "--keeps", "parsecs", "-h"], "help add short"),
      (["add", "a", "1", "b", "--help"], "help add long"),
      (["add", "--json=yes", "-h"], "help add short"),
      (["list", "--all", "--all", "--help"], "help list long"),
    ] as [([String], String)])
  func asking(words: [String], expected: String) throws {
    #expect(try reading(words) == expected)
  }

  @Test("words after two dashes, and values, do not ask for help")
  func notAsking() throws {
    #expect(try reading(["add", "--", "-h"]) == #"add ["-h"]"#)
    #expect(try reading(["list", "-sh"]) == "list [] shelf=h")
    #expect(try reading(["list", "--shelf=--help"]) == "list [] shelf=--help")
  }

  @Test("a command that does not exist is an error even when help is asked for after it")
  func unknownCommandWithHelp() {
    #expect(throws: UsageError.self) { try reading(["bogus", "--help"]) }
    #expect(throws: UsageError.self) { try reading(["help", "bogus"]) }
    #expect(throws: UsageError.self) { try reading(["help", "bogus", "-h"]) }
  }

  @Test(
    "a completion request uses the words that it understands and reports no error",
    arguments: [
      (["list", "--shelf", ""], "list []"),
      (["-H", "/tmp", "list", "-qs", "to"], "list [] home=/tmp quiet="),
      (["-H/tmp", ""], "__complete [] home=/tmp"),
      (["bogus", "--x", "--patience=?", ""], "__complete []"),
      (["throw-out", "a", "--", "-b", ""], #"throw-out ["a", "-b"]"#),
      ([], "__complete []"),
    ] as [([String], String)])
  func completing(words: [String], expected: String) throws {
    guard case .complete(let request) = try SampleProgram.grammar.parse(["__complete", "zsh"] + words) else {
      Issue.record("a question was expected")
      return
    }
    #expect(description(request.invocation) == expected)
  }
}
