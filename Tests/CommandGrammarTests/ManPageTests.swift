import CommandGrammar
import Foundation
import Testing

@testable import GrammarTools

@Suite("Manual pages")
struct ManPageTests {
  private let pages = SampleProgram.grammar.manualPages()

  @Test("there is one for the program and one for each command")
  func names() {
    #expect(pages.map(\.name) == ["larder.1"] + SampleProgram.grammar.commands.map { "larder-\($0.name).1" })
  }

  @Test("the sections are in their usual order")
  func sections() throws {
    let order = [
      "NAME", "SYNOPSIS", "DESCRIPTION", "ARGUMENTS", "COMMANDS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT",
      "FILES",
      "EXAMPLES", "SEE ALSO",
    ]
    for page in pages {
      let sections = page.text.split(separator: "\n").filter { $0.hasPrefix(".SH ") }.map {
        String($0.dropFirst(4))
      }
      let places = sections.compactMap { order.firstIndex(of: $0) }
      #expect(places.count == sections.count, "\(page.name): \(sections)")
      #expect(places == places.sorted(), "\(page.name): \(sections)")
      #expect(
        Set(["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"]).isSubset(of: sections), "\(page.name)"
      )
    }
    #expect(pages[0].text.contains(".SH FILES\n"))
  }

  @Test("characters that are special in roff are escaped")
  func escaping() {
    #expect(Roff.escaped(#"a\b – ü"#) == #"a\eb \[u2013] \[u00FC]"#)
    #expect(Roff.literal("--x 'y' `z` ^~") == #"\-\-x \(aqy\(aq \(gaz\(ga \(ha\(ti"#)
    var page = Roff(program: "p", title: "P", date: "2026-01-01", source: "p 1")
    page.markup(".TH is a macro\n\n'quoted")
    #expect(page.text.contains("\n\\&.TH is a macro\n"))
    #expect(page.text.contains("\n\\&'quoted\n"))
  }

  @Test(
    "mandoc and groff report nothing",
    .enabled(if: Tool.isInstalled("mandoc") && Tool.isInstalled("groff"), "mandoc or groff is not installed"))
  func lint() throws {
    let mandoc = try #require(Tool("mandoc"))
    let groff = try #require(Tool("groff"))
    let folder = try TemporaryFolder()
    for page in pages {
      let path = try folder.write(page.text, to: page.name)
      #expect(try mandoc.output(["-T", "lint", "-W", "warning", path]) == "")
      #expect(try groff.output(["-man", "-ww", "-z", path]) == "")
    }
  }

  @Test(
    "a page read on a terminal shows options, arguments and examples as they are typed",
    .enabled(if: Tool.isInstalled("mandoc"), "mandoc is not installed"))
  func reading() throws {
    let mandoc = try #require(Tool("mandoc"))
    let folder = try TemporaryFolder()
    let page = try #require(pages.first { $0.name == "larder-add.1" })
    let path = try folder.write(page.text, to: page.name)
    // A letter and the same letter struck over it is how a terminal of old made bold.
    let text = try mandoc.output(["-T", "ascii", path]).replacing(/.\u{8}/, with: "")
    #expect(text.contains("larder-add - put something on a shelf"))
    #expect(text.contains("larder add [OPTIONS] ITEM [AMOUNT]"))
    #expect(text.contains("-s, --shelf SHELF"))
    #expect(text.contains("larder add 'plum jam' 3 --keeps 52w"))
    #expect(text.contains("Then larder-throw-out(1) finds it:"))
    #expect(text.contains("    larder throw-out --dry-run"))
  }

  @Test("the same grammar gives the same pages")
  func determinism() {
    #expect(SampleProgram.grammar.manualPages() == pages)
  }
}
