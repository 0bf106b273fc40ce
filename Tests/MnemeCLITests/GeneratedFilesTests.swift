import CommandGrammar
import Foundation
import GrammarTools
import TestSupport
import Testing

@testable import MnemeCLI

/// The manual pages and completions that are committed are those that the definition gives.
///
/// After a change of the definition: `swift run generate-files`.
@Suite("Generated files")
struct GeneratedFilesTests {
  private let top = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  @Test("section 1 in man/ holds the pages of the definition, and no others")
  func manualPages() throws {
    try check(CommandTable.grammar.manualPages(), in: "man", endingWith: ".1")
  }

  @Test("completions/ holds the stubs of the definition, and no others")
  func completions() throws {
    try check(CommandTable.grammar.completionStubs(), in: "completions")
  }

  @Test(
    "mandoc and groff report nothing about man/",
    .needs(program: "mandoc"), .needs(program: "groff"))
  func lint() throws {
    let pages = try FileManager.default.contentsOfDirectory(atPath: Repository.top + "/man").map {
      "man/\($0)"
    }
    for command in [["mandoc", "-T", "lint"], ["groff", "-t", "-man", "-ww", "-z"]] {
      let outcome = try ChildProcess(command + pages, directory: Repository.top).finish().expecting(0)
      #expect(outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    }
  }

  @Test("shellcheck reports nothing about the stub for bash", .needs(program: "shellcheck"))
  func shellcheck() throws {
    let outcome = try ChildProcess(
      ["shellcheck", "--shell=bash", "completions/mneme.bash"], directory: Repository.top
    )
    .finish()
    #expect(outcome.output.isEmpty && outcome.status == 0, "\(outcome)")
  }

  @Test("the program's page has every usual section, in the usual order")
  func sections() throws {
    let page = try #require(CommandTable.grammar.manualPages().first).text
    let sections = page.split(separator: "\n").filter { $0.hasPrefix(".SH ") }.map { String($0.dropFirst(4)) }
    #expect(
      sections == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES",
        "EXAMPLES", "SEE ALSO",
      ])
  }

  private func check(_ files: [GeneratedFile], in folder: String, endingWith ending: String = "") throws {
    let folder = top.appending(path: folder)
    let present = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(ending) }.sorted()
    #expect(present == files.map(\.name).sorted())
    for file in files {
      let committed = try? String(contentsOf: folder.appending(path: file.name), encoding: .utf8)
      #expect(committed == file.text, "\(file.name) is out of date")
    }
  }
}

@Suite("The command table")
struct CommandTableTests {
  @Test("has no inconsistency: names, references, examples that parse")
  func problems() {
    let problems = CommandTable.grammar.problems()
    #expect(problems.isEmpty, "\(problems.map { "\($0)" }.joined(separator: "\n"))")
  }

  @Test(
    "has the short help of each command on a screen of 80×24",
    arguments: CommandTable.commands.map { $0.spec.name })
  func shortHelpFits(name: String) throws {
    let spec = try #require(CommandTable.command(named: name)).spec
    let lines = CommandTable.grammar.help(spec, .short).split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= 24)
    #expect(lines.allSatisfy { displayWidth(String($0)) <= 80 })
  }
}
