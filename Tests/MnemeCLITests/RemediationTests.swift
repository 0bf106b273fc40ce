import CommandGrammar
import Foundation
import Mneme
import MnemeEmbedders
import MnemeRedis
import Testing

@testable import MnemeCLI

@Suite("Remedies in the command's words")
struct RemediationTests {
  @Test("every remedy has one line of words, in the library and in the command", arguments: Remedy.allCases)
  func words(remedy: Remedy) {
    for text in [remedy.description, remedy.words()] {
      #expect(text.count > 5 && !text.contains { $0.isNewline }, "\(text)")
      #expect(text.first?.isUppercase == true || text.hasPrefix("'"), "\(text)")
    }
  }

  @Test("the commands and options that the words name exist", arguments: Remedy.allCases)
  func namesExist(remedy: Remedy) throws {
    let text = remedy.words()
    let commands = CommandTable.grammar.commands
    for name in text.matches(of: /'mneme ([a-z-]+)/).map({ String($0.1) }) {
      #expect(commands.contains { $0.name == name }, "\(name)")
    }
    let options = Set(
      (commands.flatMap(\.options) + CommandTable.grammar.globalOptions).map(\.longForm))
    // redis-cli's own.
    for option in text.matches(of: /--[a-z-]+/).map({ String($0.0) }) where option != "--cluster" {
      #expect(options.contains(option), "\(option)")
    }
  }

  @Test("the words contain the names of the object")
  func objects() {
    func text(_ remedy: Remedy, _ object: ErrorObject) -> String {
      CorruptCacheError("m", about: object, remedy: remedy).remediation
    }
    #expect(text(.repairEntry, .entry(EntryID(7))).contains("'mneme delete --id 7'"))
    #expect(text(.setQuotaAgain, .namespace(.default)) == "Set it again: mneme set-quota default N")
    #expect(text(.lowerNumber, .key("p:version")).contains("redis-cli SET p:version NUMBER"))
    #expect(text(.tagKeyPrefix, .keyPrefix("{p}")).contains("'{p}'"))
    #expect(
      text(.grantRight, .right(command: "hget", user: "reader", keys: "p:*"))
        == "Grant the right: redis-cli ACL SETUSER reader +hget '~p:*'")
    #expect(
      text(.grantRight, .right(command: "scan", user: "reader", keys: nil))
        == "Grant the right: redis-cli ACL SETUSER reader +scan")
    let stored = EmbedderError("m", about: .entry(EntryID(7)), remedy: .omitText)
    #expect(stored.remediation.hasSuffix("You can also delete the entry: 'mneme delete --id 7'."))
  }

  /// The sources of the modules that a program can use without the command.
  private static func librarySources() throws -> [(path: String, text: String)] {
    let top = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources")
    var sources: [(path: String, text: String)] = []
    for module in ["Mneme", "MnemeRedis", "MnemeEmbedders"] {
      let directory = top.appending(path: module)
      let paths = FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
      for path in paths where path.hasSuffix(".swift") {
        let text = try String(contentsOf: directory.appending(path: path), encoding: .utf8)
        sources.append((module + "/" + path, text))
      }
    }
    return sources
  }

  @Test("no text of the library spells an option, a command or a variable of the program")
  func neutral() throws {
    let sources = try Self.librarySources()
    #expect(sources.count > 100)
    for source in sources {
      for line in source.text.split(separator: "\n") {
        let code = line.drop { $0 == " " }
        guard !code.hasPrefix("//"), let quote = code.firstIndex(of: "\"") else { continue }
        let literals = code[quote...]
        for spelled in [/--[a-z]/, /MNEME_/, /OPENAI_/, /OLLAMA_/, /'mneme [a-z]/, /mneme [a-z-]+'/] {
          #expect(literals.firstMatch(of: spelled) == nil, "\(source.path): \(code)")
        }
      }
    }
  }

  @Test("the embedders' settings come from the environment, and an empty variable counts as not set")
  func settings() {
    let settings = EmbedderSettings([
      "OPENAI_BASE_URL": "http://h/v1", "OPENAI_API_KEY": "k", "OLLAMA_HOST": "",
    ])
    #expect(settings.openAIBaseURL == "http://h/v1" && settings.openAIKey == "k")
    #expect(settings.ollamaHost == EmbedderSettings().ollamaHost)
    #expect(EmbedderSettings([:]).openAIBaseURL == EmbedderSettings().openAIBaseURL)
  }

  @Test("a program that makes vectors gets no key, no password and no address with a password")
  func environment() {
    let seen = withoutSecrets([
      "PATH": "/bin", "OPENAI_API_KEY": "x", "MNEME_URL": "x", "REDIS_URL": "x", "REDISCLI_AUTH": "x",
      "MNEME_PASSWORD": "x", "OPENAI_BASE_URL": "http://u:secret@h", "OLLAMA_HOST": "http://h:11434",
    ])
    #expect(seen == ["PATH": "/bin", "OLLAMA_HOST": "http://h:11434"])
  }
}
