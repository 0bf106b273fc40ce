import Mneme

@testable import CommandGrammar
@testable import MnemeCLI

extension Target {
  /// Command lines of `mneme`, a word a line, up to the request that a command makes of them: whatever order and form
  /// the options were written in, the canonical form means the same; and what is wrong is a usage error.
  static let arguments = Target(
    name: "arguments",
    words: grammar.commands.map(\.name)
      + Set(
        (grammar.commands.flatMap(\.options) + grammar.globalOptions).flatMap { option in
          ["--\(option.name)\n", "--\(option.name)="] + (option.short.map { ["-\($0)"] } ?? [])
        }
      ).sorted() + ["\n", "\n--\n", "10k", "1h30m", "250ms", "0.85", "-1", "default", "__complete\n", "json"]
  ) { input in
    let words = input.remainder().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { $0.filter { $0 != 0 } }
    do throws(UsageError) {
      switch try grammar.parse(rawArguments: words) {
      case .run(let invocation):
        expect(words.contains(Array(invocation.command.name.utf8)), "nobody asked for a command")
        expectSameMeaning(of: words, invocation)
        request(invocation)
      case .help: break
      case .version: expect(words.contains(Array("--version".utf8)), "nobody asked for the version")
      case .complete(let request):
        expect(words.first.map { $0 == Array("__complete".utf8) } == true, "nobody asked what can be typed")
        expect(!request.answer { kind, _ in [.init(kind)] }.isEmpty, "a question without an answer")
      }
    } catch {
      expect(!error.message.isEmpty && !error.remediation.isEmpty, "an error without words")
      expect(error.usage.hasPrefix("mneme"), error.usage)
      expect(!words.isEmpty, error.message)
    }
  }
}

private let grammar = CommandTable.grammar

/// Parses the line with options first, with options after the command, and with each value in a word of its own.
private func expectSameMeaning(of words: [[UInt8]], _ invocation: Invocation) {
  var parser = Parser(grammar, words.map { Word(bytes: $0) })
  parser.walk()
  let options = parser.occurrences.map { occurrence in
    occurrence.option.longForm + (occurrence.text.map { "=\($0)" } ?? "")
  }
  let command = invocation.command.name
  let lines = [
    options + [command, "--"] + parser.operands, [command] + options + ["--"] + parser.operands,
  ]
  for line in lines {
    guard case .run(let again)? = try? grammar.parse(line) else {
      expect(false, "\(line) does not run")
      return
    }
    expect(again.command.name == command, "\(line) runs \(again.command.name)")
    expect(
      again.arguments.elementsEqual(invocation.arguments, by: areSame), "\(line) has \(again.arguments)")
    expect(
      again.given.elementsEqual(invocation.given) { $0.member == $1.member && areSame($0.text, $1.text) },
      "\(line) means \(again.given)")
  }
}

/// Up to where the command would begin to work.
private func request(_ invocation: Invocation) {
  do {
    guard let command = CommandTable.command(named: invocation.command.name) else {
      return expect(false, "the table lacks '\(invocation.command.name)'")
    }
    _ = try command.init(invocation)
    let settings = try GlobalSettings(invocation, ["HOME": "/home/h"])
    _ = try settings.redisURL()
  } catch {
    expect(error is UsageError || error is any MnemeError, "\(error)")
    expect(ExitStatus(error) != .bug, "\(error)")
  }
}
