import CommandGrammar
import Foundation
import GrammarTools
import MnemeCLI

// Writes the manual pages and the completion stubs of the command line's definition into man/ and completions/ of the
// current directory, and removes what else is there. Tests compare them with the definition.
for (folder, files) in [
  ("man", CommandTable.grammar.manualPages()), ("completions", CommandTable.grammar.completionStubs()),
] {
  let names = try FileManager.default.contentsOfDirectory(atPath: folder)
  for name in names where !files.contains(where: { $0.name == name }) {
    try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
  }
  for file in files { try Data(file.text.utf8).write(to: URL(filePath: "\(folder)/\(file.name)")) }
}
