import Testing

/// A command line of mneme, for the tests that try every command: those of faulty connections, of forged replies, of
/// damaged keys, of rights.
///
/// A new command is added to `CommandExample.all`, once for each form that sends other requests. `CommandTableTests`
/// fails for a command that is not in it.
package struct CommandExample: Sendable, CustomTestStringConvertible {
  /// The use that a command makes of a server.
  package enum Use: Sendable {
    /// Asks it, and changes nothing.
    case reads
    /// Looks up an answer, which is counted.
    case counts
    /// Changes entries, quotas or meta data.
    case writes
    /// Makes no connection to the server of MNEME_URL.
    case none
  }

  package let words: [String]
  package let input: [UInt8]
  package let use: Use
  /// Each line that it prints is of use without the others.
  package let isStream: Bool
  /// Its lines come in whatever order the server has them.
  package let isUnordered: Bool
  /// The first of the forms of its command.
  package let isMainForm: Bool

  package var testDescription: String { words.joined(separator: " ") }
  package var command: String { words[0] }
  /// Whether its output is JSON, errors too.
  package var isJSON: Bool { words.contains("--json") }

  package init(
    _ use: Use, _ line: String, input: [UInt8] = [], form: Bool = false, stream: Bool = false,
    unordered: Bool = false
  ) {
    words = line.split(separator: " ").map { String($0).replacing("_", with: " ") }
    (self.input, self.use, isMainForm) = (input, use, !form)
    (isStream, isUnordered) = (stream, unordered)
  }

  /// The words with the placeholders replaced.
  /// - Parameters:
  ///   - file: for FILE.
  ///   - other: for OTHER, a prefix without a cache.
  package func words(file: String, other: String) -> [String] {
    words.map { ["FILE": file, "OTHER": other][$0] ?? $0 }
  }

  /// Every command, on the cache that `sampleCache` makes. In a line, `_` is a blank, FILE a file that is not there,
  /// OTHER a prefix without a cache.
  package static let all =
    [
      CommandExample(.writes, "put a_new_question an_answer --ttl 1h"),
      CommandExample(.writes, "put question_7 another_answer", form: true),
      CommandExample(.writes, "put --json another_question an_answer", form: true),
      CommandExample(.writes, "put --native-ttl --ttl 1h question_7 another_answer", form: true),
      CommandExample(.writes, "put --max-entries 5 one_more answer", form: true),
      CommandExample(.counts, "get question_7"),
      CommandExample(.counts, "get --threshold 0.2 this_is_question_7", form: true),
      CommandExample(.reads, "get --peek question_7", form: true),
      CommandExample(.reads, "get --peek --explain question_7", form: true),
      CommandExample(.reads, "list", stream: true),
      CommandExample(.reads, "list --contains question --json", form: true, stream: true),
      CommandExample(.reads, "list --json --sort size --limit 3", form: true, stream: true),
      CommandExample(.reads, "list --json --expires-within 2h", form: true, stream: true),
      CommandExample(.reads, "list --json --used-within 1d", form: true, stream: true),
      CommandExample(.reads, "list --json --like question_7", form: true, stream: true),
      CommandExample(.reads, "show 7 21"), CommandExample(.reads, "show --json 7", form: true),
      CommandExample(.writes, "set-ttl 2h --yes -n faq"),
      CommandExample(.writes, "set-ttl never --yes --id 21 22", form: true),
      CommandExample(.reads, "stats"), CommandExample(.reads, "stats --json", form: true),
      CommandExample(.reads, "stats --prometheus", form: true),
      CommandExample(.reads, "audit --threshold 1"),
      CommandExample(.reads, "audit --json --threshold 1 --sample 8 -n faq", form: true),
      CommandExample(.writes, "vacuum"), CommandExample(.reads, "vacuum --dry-run", form: true),
      CommandExample(.writes, "vacuum --repair", form: true),
      CommandExample(.reads, "inspect-keys"), CommandExample(.reads, "inspect-keys --check", form: true),
      CommandExample(.reads, "inspect-keys --sample all --top 3", form: true),
      CommandExample(.reads, "inspect-keys --list", form: true, stream: true, unordered: true),
      CommandExample(.writes, "set-quota faq 3"),
      CommandExample(.writes, "set-quota faq 3 --evict", form: true),
      CommandExample(.reads, "set-quota faq", form: true),
      CommandExample(.reads, "export", stream: true), CommandExample(.reads, "export -o FILE", form: true),
      CommandExample(.reads, "export --format csv", form: true, stream: true),
      CommandExample(.reads, "export --format sqlite -o FILE", form: true),
      CommandExample(.writes, "import", input: importLines(100..<180)),
      CommandExample(.writes, "delete question_3"),
      CommandExample(.writes, "delete --json question_4", form: true),
      CommandExample(.writes, "delete --id 29 --id 30", form: true),
      CommandExample(.writes, "delete --yes --query-contains question_1", form: true),
      CommandExample(.writes, "clear --yes faq"), CommandExample(.writes, "drop --yes"),
      CommandExample(.reads, "drop --dry-run --json", form: true),
      CommandExample(.writes, "reembed OTHER"),
      CommandExample(.reads, "health"),
    ]
    + [
      // The tour starts a server of its own. The file formats of another store are refused. The others work on files.
      "demo", "snapshot FILE", "dumps FILE", "restore FILE", "loads FILE", "calibrate --labelled FILE",
      "completions bash", "help",
    ].map { CommandExample(.none, $0) }

  /// The lines that talk to a server, in all forms.
  package static let withServer = all.filter { $0.use != .none }
  /// One line for each command that talks to a server.
  package static let oneEach = withServer.filter(\.isMainForm)

  /// Fills a cache on which every line has something to do: 40 entries, half of them in `faq` and with a time to live,
  /// which has ended for ten.
  package static func sampleCache(_ fixture: CacheFixture) throws {
    try fixture.fill(from: "every command") { fixture in
      let entries = (1...40).map { number in
        let place = number > 20 ? ",\"namespace\":\"faq\",\"ttl\":3600" : ""
        return "{\"query\":\"question \(number)\",\"response\":\"answer \(number)\"\(place)}\n"
      }
      try fixture.mneme.run("import", input: entries.joined())
      try fixture.mneme.run("set-quota", "faq", "30")
      try fixture.age(Array(31...40), by: 7200)
    }
  }
}
