import Testing

@testable import CommandGrammar

private func failure(_ words: [String]) -> UsageError? {
  do {
    _ = try SampleProgram.grammar.parse(words)
    return nil
  } catch {
    return error
  }
}

@Suite("Messages about a wrong command line")
struct UsageErrorTests {
  @Test(
    "the message names the option or argument, the value, and the right form",
    arguments: [
      ([], "no command given"),
      (["--json"], "no command given"),
      (["addd"], "unknown command 'addd'"),
      ([""], "unknown command ''"),
      (["add", "--bogus"], "unknown option '--bogus'"),
      (["add", "--bogus=3"], "unknown option '--bogus'"),
      (["add", "-x"], "unknown option '-x'"),
      (["add", "-qxv"], "unknown option '-x' in '-qxv'"),
      (["add", "-é"], "unknown option '-é'"),
      (["add", "jam", "--keeps"], "--keeps DURATION needs a value"),
      (["add", "jam", "-s"], "--shelf SHELF needs a value"),
      (["add", "--keeps", "--json"], "--keeps DURATION needs a value, and '--json' looks like an option"),
      (["add", "--label", "-x"], "--label WORD needs a value, and '-x' looks like an option"),
      (["add", "--label", "--"], "--label WORD needs a value, and '--' looks like an option"),
      (["list", "--json=yes"], "'--json=yes': --json takes no value"),
      (["list", "-s=top"], "'-s=top' mixes the two ways to write a value"),
      (["list", "--keeps", "3d"], "--keeps is not an option of list"),
      (["--keeps", "3d", "list"], "--keeps is not an option of list"),
      (["list", "-s", "a", "--shelf", "b"], "--shelf is given twice"),
      (["-q", "list", "-q"], "--quiet is given twice"),
      (["list", "-qq"], "--quiet is given twice"),
      (["-q", "list", "-v"], "--quiet and --verbose exclude each other"),
      (["add", "a", "-lx", "--note-file", "f"], "--label and --note-file exclude each other"),
      (["throw-out"], "ITEM or --all is missing"),
      (["throw-out", "--all", "jam"], "ITEM and --all exclude each other"),
      (["throw-out", "-s", "top", "jam"], "--shelf goes only with --all"),
      (["add"], "the argument ITEM is missing"),
      (["find"], "the argument WORD is missing"),
      (["add", "plum", "3", "jam"], "unexpected argument 'jam': add takes ITEM and AMOUNT"),
      (["list", "all"], "unexpected argument 'all': list takes none"),
      (
        ["add", "jam", "--keeps", "5 parsecs"],
        "--keeps: '5 parsecs' is not a duration; write it as 90, 90s, 15m, 12h, 7d, 2w or 1h30m"
      ),
      (["add", "jam", "--keeps", "0"], "--keeps: '0' is too small; it must be at least 1s"),
      (["add", "jam", "lots"], "AMOUNT: 'lots' is not a whole number; write it in digits, as 42"),
      (["list", "--shelf="], "--shelf: '' is empty; give it a value"),
      (["list", "--order", "size"], "--order: 'size' is not valid; choose name, age or amount"),
    ] as [([String], String)])
  func messages(words: [String], message: String) {
    #expect(failure(words)?.message == message)
  }

  @Test(
    "the probable meaning is suggested",
    arguments: [
      (["addd"], "Did you mean 'larder add'?"),
      (["throwout"], "Did you mean 'larder throw-out'?"),
      (["out"], "Did you mean 'larder throw-out'?"),
      (["comp"], "Did you mean 'larder completions'?"),
      (["version"], "Did you mean 'larder --version'?"),
      (["add", "--kepes", "3d"], "Did you mean '--keeps'?"),
      (["add", "-keeps", "3d"], "Did you mean '--keeps'?"),
      (["add", "-S", "top"], "Did you mean '-s'?"),
      (["add", "-qS", "top"], "Did you mean '-s'?"),
      (["--jsn", "list"], "Did you mean '--json'?"),
      (["list", "-s=top"], "Write '--shelf=top'."),
      (["list", "--keeps", "3d"], "It belongs to add."),
      (["list", "-n"], "It belongs to throw-out and load."),
      (["add", "--label", "--odd"], "Write --label=--odd if that is the value."),
      (["list", "--order", "nmae"], "Did you mean 'name'?"),
      (["add", "plum", "3", "jam"], "Put a text that holds spaces in quotes."),
      (["list", "-q", "-q"], "Once is enough."),
      // One dash instead of two, with which the letters would be read one by one, and two instead of one.
      (["list", "-shelf", "top"], "Did you mean '--shelf'?"),
      (["-home=/tmp", "list"], "Did you mean '--home'?"),
      (["list", "--s", "top"], "Did you mean '-s'?"),
      // Words for which the command has no argument or option, or one of another kind.
      (["list", "top"], "Name the option that it is for: '-s, --shelf SHELF'."),
      (["list", "3"], "Name the option that it is for: '-s, --shelf SHELF' or '--limit N'."),
      (["find", "--word", "jam"], "find takes it as WORD, without an option's name."),
      (["load", "--note-file", "f"], "It belongs to add."),
      (["-s", "list"], "'list' was taken as the value of --shelf."),
      (["-s", "find", "jam"], "'find' was taken as the value of --shelf."),
      (["larder", "list"], "Leave out the second 'larder'."),
    ] as [([String], String)])
  func suggestions(words: [String], suggestion: String) {
    #expect(failure(words)?.remediation == suggestion)
  }

  @Test("without a near name, the error names the help")
  func hints() {
    #expect(failure(["qqqqqq"])?.remediation == "Run 'larder -h' for the commands.")
    #expect(failure(["add", "--qqqqqq"])?.remediation == "Run 'larder add -h' for its options.")
  }

  @Test("the usage line is that of the command concerned")
  func usageLines() {
    #expect(failure(["add"])?.usage == "larder add [OPTIONS] ITEM [AMOUNT]")
    #expect(failure(["find"])?.usage == "larder find [OPTIONS] WORD...")
    #expect(failure(["throw-out"])?.usage == "larder throw-out [OPTIONS] (ITEM... | --all)")
    #expect(failure(["--nonsense", "add"])?.usage == "larder add [OPTIONS] ITEM [AMOUNT]")
    #expect(failure(["nonsense"])?.usage == "larder [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]")
  }

  @Test("names are never abbreviated")
  func abbreviations() {
    #expect(failure(["comp", "bash"])?.message == "unknown command 'comp'")
    #expect(failure(["list", "--ord", "age"])?.message == "unknown option '--ord'")
  }

  @Test("a word that is not valid UTF-8 is refused by its position")
  func invalidUTF8() throws {
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    let error = #expect(throws: UsageError.self) {
      try SampleProgram.grammar.parse(rawArguments: [bytes("add"), bytes("jam") + [0xFF]])
    }
    #expect(error?.message == "argument 2 is not valid UTF-8: see its byte 4")
    let value = #expect(throws: UsageError.self) {
      try SampleProgram.grammar.parse(rawArguments: [bytes("list"), bytes("-s"), [0xC3]])
    }
    #expect(value?.message == "argument 3 is not valid UTF-8: see its byte 1")

    guard
      case .help(nil, .long) = try SampleProgram.grammar.parse(rawArguments: [[0xFF], bytes("--help")]),
      case .run(let invocation) = try SampleProgram.grammar.parse(rawArguments: [
        bytes("add"), bytes("müsli 🥣"),
      ])
    else {
      Issue.record("help, then a run, were expected")
      return
    }
    #expect(invocation[SampleProgram.item] == "müsli 🥣")
  }

  @Test("a command can report what only it can see, in the same form")
  func ownErrors() throws {
    guard case .run(let invocation) = try SampleProgram.grammar.parse(["list"]) else {
      Issue.record("a run was expected")
      return
    }
    let error = invocation.usageError("the larder is locked", suggestion: "Find the key.")
    #expect(error.message == "the larder is locked")
    #expect(error.usage == "larder list [OPTIONS]")
    #expect(error.remediation == "Find the key.")
  }
}

@Suite("Options and the environment")
struct EnvironmentTests {
  private func invocation(_ words: [String]) throws -> Invocation {
    guard case .run(let invocation) = try SampleProgram.grammar.parse(words) else {
      throw SampleProgram.grammar.usageError("a run was expected", in: nil)
    }
    return invocation
  }

  @Test("an option overrides the first variable, that the second, and that the default")
  func precedence() throws {
    let both: Environment = ["LARDER_HOME": "/one", "HOME_LARDER": "/two"]
    #expect(try invocation(["list", "-H/typed"]).resolve(SampleProgram.home, environment: both) == "/typed")
    #expect(try invocation(["list"]).resolve(SampleProgram.home, environment: both) == "/one")
    #expect(
      try invocation(["list"]).resolve(SampleProgram.home, environment: ["HOME_LARDER": "/two"]) == "/two")
    #expect(try invocation(["list"]).resolve(SampleProgram.home, environment: [:]) == "/var/lib/larder")
    #expect(
      try invocation(["list", "-H/typed"]).origin(of: SampleProgram.home, environment: both) == .commandLine)
    #expect(
      try invocation(["list"]).origin(of: SampleProgram.home, environment: both) == .variable("LARDER_HOME"))
    #expect(
      try invocation(["list"]).origin(of: SampleProgram.home, environment: ["LARDER_HOME": ""]) == .default)
  }

  @Test("an empty variable counts as none")
  func emptyVariable() throws {
    let environment: Environment = ["LARDER_HOME": "", "HOME_LARDER": "/two"]
    #expect(try invocation(["list"]).resolve(SampleProgram.home, environment: environment) == "/two")
  }

  @Test("an error in a variable names the variable, and does not matter where the option is typed")
  func errors() throws {
    let environment: Environment = ["LARDER_PATIENCE": "soon"]
    let error = #expect(throws: UsageError.self) {
      try invocation(["list"]).resolve(SampleProgram.patience, environment: environment)
    }
    #expect(
      error?.message
        == "LARDER_PATIENCE: 'soon' is not a duration; write it as 90, 90s, 15m, 12h, 7d, 2w, 250ms or 1h30m")
    #expect(
      try invocation(["list", "--patience=1s"]).resolve(SampleProgram.patience, environment: environment)
        == .seconds(1))
    #expect(throws: Never.self) { try SampleProgram.grammar.parse(["list", "--help"]) }
  }
}
