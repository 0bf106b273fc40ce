import CommandGrammar
import TestSupport
import Testing

@testable import MnemeCLI

@Suite("The table of command lines for tests")
struct CommandExampleTests {
  @Test("has every command")
  func complete() {
    let tried = Set(CommandExample.all.map(\.command))
    let missing = CommandTable.commands.map { $0.spec.name }.filter { !tried.contains($0) }
    #expect(
      missing.isEmpty,
      "add a line for each to CommandExample.all in Tests/TestSupport, and more where it has other forms: \(missing)"
    )
  }

  @Test("has only existing commands")
  func sound() {
    for line in CommandExample.all where line.command != "help" {
      #expect(CommandTable.command(named: line.command) != nil, "\(line.testDescription)")
    }
  }
}
