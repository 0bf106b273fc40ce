import CommandGrammar
import Foundation
import TestSupport
import Testing

@testable import GrammarTools
@testable import MnemeCLI

/// The commands of the README, which a new user types, and each of them typed wrongly once.
@Suite("The README's lines")
struct FirstPageTests {
  /// The words of each `mneme` command line in the README's blocks of code, without the program's name.
  private static let lines: [[String]] = {
    ((try? Documents.readme()) ?? "").split(separator: "\n").filter { $0.hasPrefix("    ") }
      .flatMap { ShellLine.commands(in: String($0)) }
      .compactMap { words in words.firstIndex(of: "mneme").map { Array(words[($0 + 1)...]) } }
      .filter { !$0.isEmpty }
  }()

  private let grammar = CommandTable.grammar

  private func failure(_ words: [String]) -> UsageError? {
    do {
      _ = try grammar.parse(words)
      return nil
    } catch {
      return error
    }
  }

  /// Returns a word with the usual typing errors: a letter left out, one twice, two swapped.
  private func slips(in word: String) -> [String] {
    let letters = Array(word)
    return letters.indices.dropFirst().flatMap { index -> [String] in
      let without = String(letters[..<index] + letters[(index + 1)...])
      let twice = String(letters[...index] + letters[index...])
      var swapped = letters
      swapped.swapAt(index, index - 1)
      return [without, twice, String(swapped)]
    }.filter { $0 != word }
  }

  @Test("each is understood")
  func understood() {
    #expect(Self.lines.count >= 20)
    for words in Self.lines { #expect(failure(words) == nil, "\(words): \(failure(words)!)") }
  }

  @Test("a typing error in the command's name leads to a suggestion")
  func commandNames() throws {
    var count = 0
    for words in Self.lines {
      guard case .run(let invocation) = try grammar.parse(words) else { continue }
      let name = invocation.command.name
      let place = try #require(words.firstIndex(of: name))
      for slip in slips(in: name) {
        var typed = words
        typed[place] = slip
        #expect(failure(typed)?.remediation == "Did you mean 'mneme \(name)'?", "\(typed)")
      }
      count += 1
    }
    #expect(count >= 15)
  }

  @Test("a typing error in an option's name leads to a suggestion, and so does one dash for two")
  func optionNames() throws {
    var count = 0
    for words in Self.lines {
      for (place, word) in words.enumerated() where word.hasPrefix("--") {
        let name = String(word.dropFirst(2).prefix { $0 != "=" })
        let known = grammar.globalOptions + grammar.commands.flatMap(\.options)
        for slip in slips(in: name).map({ "--" + $0 }) + ["-" + name]
        where !known.contains(where: { $0.longForm == slip }) {
          var typed = words
          typed[place] = slip
          let offer = try #require(failure(typed)?.remediation, "\(typed)")
          #expect(offer.hasPrefix("Did you mean ") && offer.contains("'--\(name)'"), "\(typed): \(offer)")
        }
        count += 1
      }
    }
    #expect(count >= 10)
  }

  @Test("a capital letter for a small one leads to a suggestion")
  func letters() throws {
    var count = 0
    for words in Self.lines {
      for (place, word) in words.enumerated()
      where word.count == 2 && word.hasPrefix("-") && word.last?.isLetter == true {
        var typed = words
        typed[place] = word.uppercased()
        #expect(failure(typed)?.remediation == "Did you mean '\(word)'?", "\(typed)")
        count += 1
      }
    }
    #expect(count >= 10)
  }

  @Test("a missing value is reported with the option's name")
  func forgottenValues() throws {
    var count = 0
    for words in Self.lines {
      guard case .run(let invocation) = try grammar.parse(words) else { continue }
      for option in grammar.options(of: invocation.command)
      where option.value != nil && option.impliedText == nil {
        for form in [option.longForm, option.shortForm].compactMap(\.self) {
          let message = try #require(failure(words + [form])?.message)
          #expect(message.hasPrefix("\(option.longForm) ") && message.contains("needs a value"), "\(message)")
          count += 1
        }
      }
    }
    #expect(count >= 100)
  }

  @Test("missing quotes are reported")
  func forgottenQuotes() throws {
    var count = 0
    for words in Self.lines where words.contains(where: { $0.contains(" ") && !$0.contains("@") }) {
      guard case .run(let invocation) = try grammar.parse(words),
        ["put", "get"].contains(invocation.command.name)
      else { continue }
      let typed = words.flatMap { $0.split(separator: " ").map(String.init) }
      #expect(failure(typed)?.remediation == "Put a text that holds spaces in quotes.", "\(typed)")
      count += 1
    }
    #expect(count >= 4)
  }

  /// A wrong line, and the part of the message that shows the way back.
  @Test(
    "other mistakes lead to a suggestion too",
    arguments: [
      (["stats", "faq"], "-n, --namespace NS"),
      (["vacuum", "10m"], "--max-duration DURATION"),
      (["-p", "stats"], "'stats' was taken as the value of --key-prefix"),
      (["--key-prefix", "stats"], "'stats' was taken as the value of --key-prefix"),
      (["put", "--ttl", "7days", "q", "r"], "write it as 90, 90s, 15m, 12h, 7d"),
      (["put", "--ttl", "-n", "faq", "q", "r"], "--ttl DURATION needs a value"),
      (["put", "-n=faq", "q", "r"], "Write '--namespace=faq'."),
      (["set-quota", "faq", "ten"], "write it as 10000, 10_000, 10k"),
      (["set-quota", "10k", "faq"], "write it as 10000, 10_000, 10k"),
      (["set-quota", "--namespace", "faq", "10k"], "set-quota takes it as NAMESPACE"),
      (["clear", "-n", "faq"], "clear takes it as NAMESPACE"),
      (["get", "--ttl", "7d", "q"], "It belongs to put."),
      (["stats", "--yes"], "It belongs to delete, set-ttl, audit, clear and drop."),
      (["export", "--format", "json"], "Did you mean 'jsonl'?"),
      (["--colour", "never", "stats"], "Did you mean '--color'?"),
      (["quota", "faq"], "Did you mean 'mneme set-quota'?"),
      (["keys"], "Did you mean 'mneme inspect-keys'?"),
      (["version"], "Did you mean 'mneme --version'?"),
      (["find", "PayPal"], "Did you mean 'mneme list --contains TEXT'?"),
      (["expire"], "Did you mean 'mneme set-ttl DURATION'?"),
      (["dump"], "Did you mean 'mneme export -o FILE'?"),
      (["mneme", "stats"], "Leave out the second 'mneme'."),
      (["-namespace", "faq", "stats"], "Did you mean '--namespace'?"),
      (["-url", "redis://host", "stats"], "Did you mean '--url'?"),
      (["stats", "--n", "faq"], "Did you mean '-n'?"),
    ] as [([String], String)])
  func others(words: [String], text: String) throws {
    let error = try #require(failure(words))
    #expect(
      "\(error.message)\n\(error.remediation)".contains(text), "\(error.message) | \(error.remediation)")
  }

  @Test("each name of another tool leads to a line that the grammar knows, and is not a command itself")
  func triedNames() {
    let places = ["TEXT": "text", "DURATION": "1d", "ID": "1", "NAMESPACE": "faq", "FILE": "f", "URL": "u"]
    for (names, line) in grammar.triedNames {
      for name in names.split(separator: " ") { #expect(grammar.command(named: String(name)) == nil) }
      for words in ShellLine.commands(in: line) {
        let typed = words.dropFirst().map { places[$0] ?? $0 }
        #expect(words.first == "mneme" && failure(Array(typed)) == nil, "\(line)")
      }
    }
  }

  @Test(
    "a word that is not expected leads to the option that it may belong to",
    arguments: [
      (["list", "4"], "Write --id 4 for an id."), (["list", "PayPal"], "A text follows --contains"),
      (["export", "cache.jsonl"], "Write -o FILE for the file."),
    ])
  func unexpectedWord(words: [String], advice: String) throws {
    let outcome = try Mneme(url: "redis://localhost:1", prefix: "mneme").run(words).expecting(64)
    #expect(outcome.errorLines[1].contains(advice), "\(outcome)")
  }

  @Test(
    "a URL with a slip in its scheme, or the scheme of the web, leads to the right one",
    arguments: [
      ("http://localhost:7000", "redis://localhost:7000"), ("redis:/localhost", "redis://localhost"),
      ("rediss//host:1/2", "rediss://host:1/2"), ("redis:6379", "redis://redis:6379"),
    ])
  func probableURL(typed: String, meant: String) throws {
    let outcome = try Mneme(url: typed, prefix: "mneme").run("stats", expecting: 64)
    #expect(outcome.errorLines[1].contains("Did you mean '\(meant)'?"), "\(outcome)")
  }

  /// Each URL of the section on connecting, with something wrong about it.
  @Test(
    "for an invalid URL the error names the wrong part and the right form",
    arguments: [
      ("localhost", "must begin with redis://"), ("localhost:6379", "must begin with redis://"),
      ("redis:/localhost", "must begin with redis://"), ("http://localhost", "must begin with redis://"),
      ("redis//localhost", "must begin with redis://"), ("redis://host:63790000/0", "port"),
      ("redis://host:port/0", "port"), ("redis://host:6379/zero", "database"),
      ("redis://[::1:6379", "IPv6"), ("unix:///run/redis.sock?db=x", "database"),
      ("rediss://host?ssl_cert_reqs=never", "ssl_cert_reqs"), ("redis://host?sock_timeout=3", "sock_timeout"),
    ])
  func urls(url: String, part: String) throws {
    let outcome = try Mneme(url: url, prefix: "mneme").run("stats", expecting: 64)
    let lines = outcome.errorLines
    #expect(lines[0].contains(part), "\(outcome)")
    #expect(lines[0].contains("from MNEME_URL"), "\(outcome)")
    #expect(lines[1].contains("redis://[[user][:password]@]host[:port][/db]"), "\(outcome)")
  }
}
