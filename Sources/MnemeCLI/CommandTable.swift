import CommandGrammar

/// The program: every command, in the order of the help.
package enum CommandTable {
  static let commands: [any Command.Type] = [
    Put.self, Get.self, List.self, Show.self, Delete.self, SetTTL.self, ShowStats.self, CheckHealth.self,
    InspectKeys.self, Vacuum.self,
    SetQuota.self, Clear.self,
    Export.self, Import.self, Calibrate.self, Reembed.self, Demo.self, Completions.self,
    Refused.Snapshot.self, Refused.Dumps.self, Refused.Restore.self, Refused.Loads.self,
  ]

  static func command(named name: String) -> (any Command.Type)? { commands.first { $0.spec.name == name } }

  static let version = "1.0.0"

  package static let grammar = Grammar(
    program: "mneme", version: version, date: "2026-11-23",
    summary: "look after a semantic cache in Redis",
    description: """
      Answers are kept by question: found again by the very question (the exact layer), or by one that means the \
      same (the semantic layer, by the similarity of embeddings). Several hosts and programs can share a cache, \
      Python's `mneme-cache` among them: it lives in Redis under a key prefix, and `mneme` puts, gets, counts, \
      sweeps, inspects, caps and carries it.

      What only reads creates nothing and changes nothing. `KEYS`, `FLUSHDB` and scripts are never sent.
      """,
    globalOptions: Options.global, rules: Options.globalRules,
    commands: commands.map { $0.spec },
    examples: [
      Example(command: "mneme stats", says: "what is in the cache, and how often it hits"),
      Example(
        command: "mneme -u rediss://cache.example.com --password-file pw inspect-keys",
        says: "what a prefix on another host holds, over TLS"),
      Example(command: "mneme -q vacuum --max-duration 5m", says: "sweep expired entries, from cron"),
    ],
    environmentNotes: [
      NamedNote(
        "MNEME_PASSWORD", "The password, where neither {option:password-file} nor {option:askpass} is given."),
      NamedNote("REDISCLI_AUTH", "The same, as `redis-cli` has it."),
      NamedNote(
        "OPENAI_BASE_URL",
        "Where the embedders `openai:MODEL:dimN` ask, `https://api.openai.com/v1` without it."),
      NamedNote("OPENAI_API_KEY", "The key that they send along. Shown nowhere."),
      NamedNote("OLLAMA_HOST", "Where the embedders `ollama:MODEL:dimN` ask, `localhost:11434` without it."),
      NamedNote("NO_COLOR", "When set and not empty, no bold type."),
      NamedNote("PATH", "Where {command:demo} looks for `redis-server`."),
      NamedNote("XDG_CACHE_HOME", "Where {command:get} keeps vectors. Without it, `.cache` in {env:HOME}."),
      NamedNote("HOME", "The user's home directory."),
      NamedNote("TERM", "`dumb` means neither bold type nor progress."),
      NamedNote("COLUMNS", "How many columns to fill. Without it, as many as the terminal has."),
    ],
    exitStatuses: [
      ExitNote(0, "done, or a hit"),
      ExitNote(1, "the answer is no: a miss, no cache, nothing there"),
      ExitNote(64, "a command line that cannot be understood"),
      ExitNote(65, "bad data: an import line, metadata, an embedding, a response, a corrupt entry"),
      ExitNote(66, "an input file that cannot be read"),
      ExitNote(
        69, "the server is unreachable, died, is out of memory or read-only; or a snapshot was asked for"),
      ExitNote(70, "a bug"),
      ExitNote(73, "an output file that cannot be made"),
      ExitNote(74, "output that could not be written, as on a full disk"),
      ExitNote(75, "try later: the server is loading, a time limit was reached"),
      ExitNote(77, "refused: no or a wrong password, an ACL, a certificate"),
      ExitNote(78, "another embedder's cache, a schema from the future, a cluster without a hash tag"),
      ExitNote(129, "the terminal hung up, after the batch in hand"),
      ExitNote(130, "interrupted, after the batch in hand"),
      ExitNote(143, "terminated, after the batch in hand"),
    ],
    files: [
      NamedNote(
        "/etc/ssl/certs", "The authorities that `rediss://` trusts where {option:cacert} names no others."),
      NamedNote("/dev/tty", "Where {option:askpass} asks."),
    ],
    seeAlso: ["redis-cli(1)", "redis-server(1)"])
}
