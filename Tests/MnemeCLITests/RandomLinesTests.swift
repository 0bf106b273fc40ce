import CommandGrammar
import Mneme
import TestSupport
import Testing

@testable import MnemeCLI

/// Random command lines made of the program's own words, read as far as the request: nothing is run.
@Suite("Random command lines of mneme's own words")
struct RandomLinesTests {
  private static let words: [String] = {
    let grammar = CommandTable.grammar
    let options = grammar.globalOptions + grammar.commands.flatMap(\.options)
    return grammar.commands.map(\.name) + options.map(\.longForm) + options.compactMap(\.shortForm)
      + options.map { "\($0.longForm)=" } + options.flatMap { $0.value?.choices ?? [] }
      + [
        "", "-", "--", "q", "faq", "10k", "7d", "0", "-1", "-0.5", "0.85", "1e309", "nan",
        "99999999999999999999",
        "{}", "none", "all", "a\u{301}", "\u{1B}[2J", "\u{202E}", "-\u{301}", "👩‍👩‍👧", "redis://h:p@/x", "-nfaq",
        "-n=faq",
        "-qv", "-qx", "--json=1", "__complete", "zsh",
      ]
  }()

  @Test(
    "no line crashes the parser, and a command is requested only by its name",
    arguments: 1...4 as ClosedRange<UInt64>)
  func lines(stream: UInt64) throws {
    var random = SeededGenerator(stream: stream)
    var runs = 0
    let rounds = Effort.rounds(1000, thorough: 2000)
    for _ in 0..<rounds {
      var line = (0..<Int.random(in: 0...6, using: &random)).map { _ in
        Self.words.randomElement(using: &random)!
      }
      if Bool.random(using: &random) {
        line.insert(CommandTable.commands.randomElement(using: &random)!.spec.name, at: 0)
      }
      do {
        switch try CommandTable.grammar.parse(line) {
        case .run(let invocation):
          #expect(line.contains(invocation.command.name), "\(line)")
          let command = try #require(CommandTable.command(named: invocation.command.name))
          _ = try command.init(invocation)
          _ = try GlobalSettings(invocation, [:]).redisURL()
          runs += 1
        case .help(let topic, _): #expect(topic.map { line.contains($0.name) } ?? true, "\(line)")
        case .version: #expect(line.contains("--version"), "\(line)")
        case .complete: #expect(line.first == "__complete", "\(line)")
        }
      } catch let error as UsageError {
        let text = ErrorPrinter(output: Output(style: TerminalStyle()), isJSON: false).text(of: error)
        #expect(text.contains("\nremediation: ") && text.contains("\nusage: mneme"), "\(line)")
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || !isHazardous($0) }, "\(line)")
      }
    }
    #expect(runs > 0 || rounds < 100)
  }
}
