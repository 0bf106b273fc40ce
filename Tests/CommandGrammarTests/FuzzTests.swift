import TestSupport
import Testing

@testable import CommandGrammar

@Suite("Random command lines")
struct FuzzTests {
  private static let fragments = [
    "", "-", "--", "---", "=", "--=", "-=", "--=x", "-1", "-.5", "-0x", "--json", "--json=", "--json=1", "-q",
    "-qv",
    "-qs", "-s", "-stop", "--shelf", "--shelf=", "--shelf=a", "--keeps", "--keeps=1h", "--keeps=1x", "1h",
    "3", "-n",
    "-h", "--help", "--version", "help", "add", "list", "find", "throw-out", "load", "completions", "bash",
    "jam",
    "__complete", "__complete", "zsh", "--all", "--label", "-l", "--limit", "10k", "--order=age", "--color",
    "auto", "--colour",
    "é", "-é",
    "\u{301}", "--\u{301}", "-s\u{301}", "\u{0}", "\u{1B}[31m", "🥣", "--🥣=🥣", "-t", "-t-5", "--temperature",
    "99999999999999999999", "--price=nan", "--price=1e999", " ",
  ]

  @Test(
    "no line crashes the parser, and a command runs only if its name was typed",
    arguments: [1, 2, 3, 4] as [UInt64])
  func lines(stream: UInt64) {
    var random = SeededGenerator(stream: stream)
    for _ in 0..<Effort.rounds(1250, thorough: 2500) {
      var words: [[UInt8]] = []
      for _ in 0..<Int.random(in: 0...7, using: &random) {
        var word = Array(Self.fragments.randomElement(using: &random)!.utf8)
        if Int.random(in: 0..<8, using: &random) == 0 {
          let place = Int.random(in: 0...word.count, using: &random)
          word.insert(UInt8.random(in: 1...255, using: &random), at: place)
        }
        words.append(word)
      }
      check(words)
    }
  }

  private func check(_ words: [[UInt8]]) {
    let texts = words.map { String(decoding: $0, as: UTF8.self) }
    do {
      switch try SampleProgram.grammar.parse(rawArguments: words) {
      case .run(let invocation):
        #expect(words.contains(Array(invocation.command.name.utf8)), "\(texts)")
        #expect(invocation.command.name != "help", "\(texts)")
        #expect(words.allSatisfy { String(validating: $0, as: UTF8.self) != nil }, "\(texts)")
        #expect(
          invocation.arguments.allSatisfy { argument in
            texts.contains { $0.utf8.elementsEqual(argument.utf8) }
          })
      case .help:
        #expect(
          texts.contains("help") || texts.contains { $0.hasPrefix("-") && $0.contains("h") }, "\(texts)")
      case .version:
        #expect(texts.contains("--version"), "\(texts)")
      case .complete(let request):
        #expect(texts.first == "__complete", "\(texts)")
        let answer = request.answer { kind, _ in [.init(kind)] }
        #expect(
          ["words\n", "files\n", "direct", "text\n"].contains { answer.hasPrefix($0) }, "\(texts): \(answer)")
      }
    } catch {
      #expect(!error.message.isEmpty)
      #expect(error.usage.hasPrefix("larder"), "\(texts)")
      #expect(!error.remediation.isEmpty)
    }
  }
}
