import CommandGrammar
import Testing

@testable import GrammarTools

private func problems(
  summary: String = "a program", globalOptions: [any OptionDeclaration] = [], rules: [Rule] = [],
  commands: [CommandSpec] = []
) -> [String] {
  Grammar(
    program: "p", version: "1", date: "2026-01-01", summary: summary, globalOptions: globalOptions,
    rules: rules,
    commands: commands
  ).problems()
}

@Suite("Inconsistencies of a definition")
struct ProblemsTests {
  @Test("a consistent definition has none")
  func none() {
    #expect(SampleProgram.grammar.problems() == [])
    #expect(problems() == [])
  }

  @Test("names must be ASCII and must not occur twice where both could be typed")
  func names() {
    let x = Switch("xx", short: "x", summary: "X")
    #expect(
      problems(globalOptions: [x, x]) == ["p: two options are called --xx", "p: two options are called -x"])
    #expect(
      problems(globalOptions: [x], commands: [CommandSpec(name: "c", summary: "C", options: [x])])
        == ["p c: two options are called --xx", "p c: two options are called -x"])
    #expect(problems(globalOptions: [Switch("help", summary: "H")]) == ["p: two options are called --help"])
    #expect(
      problems(globalOptions: [Switch("größe", short: "ß", summary: "S")]).map { $0.suffix(18) }
        == ["ASCII, two letters or more", "is not an ASCII letter"].map { $0.suffix(18) })
    #expect(
      problems(commands: [CommandSpec(name: "c", summary: "C"), CommandSpec(name: "c", summary: "C")])
        .contains("p: two commands are called c"))
    #expect(
      problems(commands: [CommandSpec(name: "help", summary: "H")]).contains(
        "p: two commands are called help"))
    #expect(
      problems(commands: [CommandSpec(name: "C", summary: "C")]) == [
        "p C: the command's name is not lower-case ASCII"
      ])
  }

  @Test("an option must take a value everywhere or nowhere")
  func arity() {
    let commands = [
      CommandSpec(name: "a", summary: "A", options: [Switch("check", short: "c", summary: "C")]),
      CommandSpec(
        name: "b", summary: "B", options: [Option("check", short: "c", value: .text(), summary: "C")]),
    ]
    #expect(
      problems(commands: commands) == [
        "p: --check takes a value in one command and none in another",
        "p: -c takes a value in one command and none in another",
      ])
  }

  @Test("every summary is present, short, and not a sentence")
  func summaries() {
    #expect(problems(summary: "") == ["p: there is no summary"])
    #expect(problems(summary: "A program.") == ["p: the summary 'A program.' ends with a full stop"])
    let long = String(repeating: "x", count: 61)
    #expect(
      problems(globalOptions: [Switch("xx", summary: long)]).contains {
        $0.contains("has 61 characters, over 60")
      })
  }

  @Test(
    "every reference has a target and every mark is closed",
    arguments: [
      ("{option:none}", "p c: {option:none} leads nowhere"),
      ("{command:none}", "p c: {command:none} leads nowhere"),
      ("{arg:NONE}", "p c: {arg:NONE} leads nowhere"),
      ("{env:NONE}", "p c: {env:NONE} leads nowhere"),
      (
        "{opt:help}",
        "p c: a brace in '{opt:help}' begins no reference; a brace itself goes between backquotes"
      ),
      ("1 \u{D7} 1", "p c: the text '1 \u{D7} 1' is not ASCII"),
      ("an `open", "p c: a backquote in 'an `open' is not closed"),
      ("an *open", "p c: a star in 'an *open' is not closed; a star itself goes between backquotes"),
    ])
  func markup(description: String, problem: String) {
    #expect(problems(commands: [CommandSpec(name: "c", summary: "C", description: description)]) == [problem])
  }

  @Test("examples call the program, and every call parses")
  func examples() {
    func problem(_ example: String) -> [String] {
      problems(commands: [
        CommandSpec(name: "c", summary: "C", examples: [Example(command: example, says: "It")])
      ])
    }
    #expect(problem("p c") == [])
    #expect(problem("X=1 p c 2>/dev/null | p c > out && p help c # fine") == [])
    #expect(problem("q c") == ["p c: the example 'q c' does not call p"])
    #expect(
      problem("p c | p c --bad") == [
        "p c: the example 'p c | p c --bad' does not parse: unknown option '--bad'"
      ])
    #expect(problem("p c 'one word'").count == 1)
  }

  @Test("arguments are in the order required, optional, repeating, and rules name existing members")
  func arguments() {
    let required = Argument("A", summary: "A")
    let optional = Argument(optional: "B", summary: "B")
    let repeating = Argument(repeating: "C", summary: "C")
    #expect(
      problems(commands: [CommandSpec(name: "c", summary: "C", arguments: [optional, required])])
        == ["p c: A is required and follows an optional argument"])
    #expect(
      problems(commands: [CommandSpec(name: "c", summary: "C", arguments: [repeating, optional])])
        == ["p c: B follows an argument that takes all words"])
    let other = Switch("other", summary: "O")
    #expect(
      problems(commands: [
        CommandSpec(name: "c", summary: "C", arguments: [required], rules: [.atMostOne(of: required, other)])
      ]) == [
        "p c: a rule speaks of A, which cannot be left out",
        "p c: a rule speaks of --other, which is not there",
      ])
  }

  @Test("a default is a value of its kind")
  func defaults() {
    let option = Option("wait", value: .duration(in: .seconds(1)...(.longest)), default: .zero, summary: "W")
    #expect(problems(globalOptions: [option]) == ["p --wait: the default '0s' is not a value of its kind"])
  }

  @Test("a short help that does not fit its screen is reported")
  func screens() {
    let options = (0..<25).map { Switch("option-\($0)", summary: "One of many") }
    #expect(
      problems(commands: [CommandSpec(name: "c", summary: "C", options: options)])
        .contains { $0.hasPrefix("p c: the short help has ") })
  }

  @Test(
    "a line is split as a shell would",
    arguments: [
      ("a b", [["a", "b"]]),
      ("a 'b c' \"d 'e'\" f\\ g", [["a", "b c", "d 'e'", "f g"]]),
      ("a|b;c&&d", [["a"], ["b"], ["c"], ["d"]]),
      ("X=1 Y=2 a X=3 >f 2>g <h b", [["a", "X=3", "b"]]),
      ("a '' # b", [["a", ""]]),
      ("a '#b' c#d", [["a", "#b", "c#d"]]),
      ("", []),
    ])
  func shellLines(line: String, commands: [[String]]) {
    #expect(ShellLine.commands(in: line) == commands)
  }
}
