import CommandGrammar
import Foundation
import GrammarTools
import MnemeCLI

// Writes the manual pages of section 1 and the completion stubs from the definition of the command line into man/ and
// completions/ of the current directory, and removes others of the kind. The manual pages of other sections are written
// by hand. Tests compare the files with the definition.
for (folder, ending, files) in [
  ("man", ".1", CommandTable.grammar.manualPages()),
  ("completions", "", CommandTable.grammar.completionStubs()),
] {
  let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(ending) }
  for name in names where !files.contains(where: { $0.name == name }) {
    try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
  }
  for file in files { try Data(file.text.utf8).write(to: URL(filePath: "\(folder)/\(file.name)")) }
}
