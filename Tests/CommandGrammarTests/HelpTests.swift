import Foundation
import Testing

@testable import CommandGrammar

private func lines(_ text: String) -> [Substring] {
  text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
}

@Suite("Help")
struct HelpTests {
  private let grammar = SampleProgram.grammar
  /// The program's help, then each command's.
  private var topics: [CommandSpec?] { [nil] + grammar.commands }

  @Test("the short form fits a screen of 80 by 24 with the prompt on it")
  func shortForms() {
    for topic in topics {
      let rows = lines(grammar.help(topic, .short))
      #expect(rows.count <= 23, "\(topic?.name ?? "-")")
      #expect(rows.allSatisfy { $0.count <= 80 }, "\(topic?.name ?? "-")")
    }
  }

  @Test("with many commands the short form leaves out its headings, then merges equal rows")
  func crowdedShortForm() {
    func grammar(of count: Int) -> Grammar {
      Grammar(
        program: "many", version: "1", date: "2026-01-01", summary: "do many things",
        commands: (0..<count).map { index in
          CommandSpec(
            name: "c\(index)", group: Group("G\(index / 4)"),
            summary: index < 4 ? "All the same" : "Do number \(index)")
        })
    }
    #expect(grammar(of: 5).help(nil, .short).contains("G0:"))
    #expect(!grammar(of: 15).help(nil, .short).contains("G0:"))
    #expect(grammar(of: 15).help(nil, .short).contains("\n  c1 "))
    #expect(grammar(of: 20).help(nil, .short).contains("\n  c0, c1, c2, c3  All the same\n"))
  }

  @Test("a minor command has only its name in the short form")
  func minorCommands() {
    let grammar = Grammar(
      program: "p", version: "1", date: "2026-01-01", summary: "do things",
      commands: [
        CommandSpec(name: "often", summary: "do it"),
        CommandSpec(name: "rarely", summary: "do that", isMinor: true),
      ])
    #expect(grammar.help(nil, .short).contains("  often  do it\n"))
    #expect(grammar.help(nil, .short).contains("\nAlso: rarely. See 'p COMMAND -h'.\n"))
    #expect(!grammar.help(nil, .short).contains("do that"))
    #expect(grammar.help(nil, .long).contains("  rarely"))
  }

  @Test("every option and argument of a command is in both forms, with its default")
  func completeness() {
    for command in grammar.commands {
      let short = grammar.help(command, .short)
      let long = grammar.help(command, .long)
      for option in command.options {
        #expect(short.contains(option.longForm))
        #expect(long.contains("\n  \(option.shortForm.map { "\($0), " } ?? "")\(option.longForm)"))
        if let text = option.defaultText {
          #expect(short.contains("[\(text)]") && long.contains("'\(text)'"))
        }
      }
      for option in grammar.globalOptions {
        #expect(short.contains(option.longForm) && long.contains(option.longForm))
      }
      for argument in command.arguments {
        #expect(short.contains(argument.name) && long.contains("\n  \(argument.name)\n"))
      }
      for example in command.examples { #expect(long.contains("\n      \(example.command)\n")) }
    }
  }

  @Test("the program's long form holds its options, commands, environment, exit statuses and files")
  func programHelp() {
    let help = grammar.help(nil, .long)
    for command in grammar.commands { #expect(help.contains("\n  \(command.name) ")) }
    for option in grammar.globalOptions { #expect(help.contains(option.longForm)) }
    #expect(help.contains("  NO_COLOR         Turns colour off, whatever its value.\n"))
    #expect(help.contains("  64  A usage error.\n"))
    #expect(help.contains("If not given, mneme uses LARDER_HOME, then HOME_LARDER."))
  }

  @Test("options that exclude each other say so, and so do options that repeat")
  func rules() {
    let help = grammar.help(SampleProgram.add, .long)
    #expect(help.contains("May be given more than once. Not together with\n      --note-file."))
    #expect(help.contains("Take the note from this file. Not together with --label."))
    #expect(
      grammar.help(SampleProgram.throwOut, .long).contains(
        "Usage: larder throw-out [OPTIONS] (ITEM... | --all)\n"))
    #expect(grammar.help(SampleProgram.throwOut, .long).contains("The shelf. Only with --all."))
  }

  @Test("a summary becomes a sentence, followed by details and notes")
  func stories() {
    let help = grammar.help(SampleProgram.add, .long)
    #expect(help.contains("      The shelf. The default is 'middle'.\n"))
    #expect(help.contains("      How long it keeps. If not given, for ever. Written as:\n\n      - seconds,"))
    #expect(help.contains("  Three jars that keep for a year:\n      larder add 'plum jam' 3 --keeps 52w\n"))
  }

  @Test("a command's exit notes come before the program's of the same status")
  func exitNotes() {
    let help = grammar.help(SampleProgram.add, .long)
    #expect(help.contains("  1   The shelf is full.\n  64  A usage error.\n"))
    #expect(!help.contains("The answer is no"))
  }

  @Test("lines keep to the width", arguments: [40, 60, 80, 100])
  func widths(width: Int) {
    for topic in topics {
      for line in lines(grammar.help(topic, .long, style: TextStyle(width: width))) where line.count > width {
        // Examples and verbatim lines are not wrapped, so that they can be copied.
        #expect(line.hasPrefix("      "), "\(line)")
      }
    }
  }

  @Test("bold is used only when asked for, and changes nothing but quotes around code")
  func bold() {
    for topic in topics {
      for form in [HelpForm.short, .long] {
        #expect(!grammar.help(topic, form).contains("\u{1B}"))
        #expect(grammar.help(topic, form, style: TextStyle(isBold: true)).contains("\u{1B}[1m"))
      }
    }
    let bold = grammar.help(SampleProgram.list, .short, style: TextStyle(isBold: true))
    let stripped = bold.replacing("\u{1B}[1m", with: "").replacing("\u{1B}[0m", with: "")
    #expect(stripped == grammar.help(SampleProgram.list, .short))
  }

  @Test("no line ends in a space, and the text ends in one newline")
  func tidiness() {
    for topic in topics {
      for form in [HelpForm.short, .long] {
        let help = grammar.help(topic, form)
        #expect(lines(help).allSatisfy { $0.last != " " })
        #expect(help.hasSuffix("\n") && !help.hasSuffix("\n\n"))
      }
    }
  }
}

@Suite("Markup")
struct MarkupTests {
  @Test(
    "each mark has its meaning, and what is not a mark stays text",
    arguments: [
      ("plain", [.text("plain")]),
      ("a *b* c", [.text("a "), .emphasis("b"), .text(" c")]),
      ("`a * b`", [.code("a * b")]),
      ("{option:ttl}, {command:add}", [.option("ttl"), .text(", "), .command("add")]),
      ("{arg:X}{env:Y}", [.argument("X"), .environment("Y")]),
      ("`{option:ttl}`", [.code("{option:ttl}")]),
      ("2 * 3 * 4", [.text("2 * 3 * 4")]),
      ("{p}:meta", [.text("{p}:meta")]),
      ("{what:x}", [.text("{what:x}")]),
      ("`open", [.text("`open")]),
      ("``", [.text("``")]),
    ] as [(String, [Markup.Inline])])
  func inlines(source: String, expected: [Markup.Inline]) {
    #expect(Markup.inlines(of: source) == expected)
  }

  @Test("paragraphs, lists and verbatim lines are recognized")
  func blocks() {
    let markup = Markup("One\ntwo.\n\n- a\n- b\n  c\n\nThen:\n\n    x  y\n    `z`\n\nEnd.")
    #expect(
      markup.blocks == [
        .paragraph([.text("One two.")]), .item([.text("a")]), .item([.text("b c")]),
        .paragraph([.text("Then:")]),
        .verbatim(["x  y", "`z`"]), .paragraph([.text("End.")]),
      ])
    #expect(Markup("").blocks.isEmpty)
  }
}
