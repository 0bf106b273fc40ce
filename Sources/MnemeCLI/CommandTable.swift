import CommandGrammar

/// The program: every command, in the order of the help.
package enum CommandTable {
  static let commands: [any Command.Type] = [
    Put.self, Get.self, List.self, Show.self, Delete.self, SetTTL.self, ShowStats.self, Health.self,
    InspectKeys.self, Audit.self, Vacuum.self,
    SetQuota.self, Clear.self, Drop.self,
    Export.self, Import.self, Calibrate.self, Reembed.self, Demo.self, Completions.self,
    Refused.Snapshot.self, Refused.Dumps.self, Refused.Restore.self, Refused.Loads.self,
  ]

  static func command(named name: String) -> (any Command.Type)? { commands.first { $0.spec.name == name } }

  static let version = "1.0.0"

  package static let grammar = Grammar(
    program: "mneme", version: version, date: "2026-11-23",
    summary: "administer semantic caches in Redis",
    description: """
      A semantic cache stores the answers of an application by question. It returns an answer when the same question \
      is asked again (an exact hit), or one with nearly the same meaning (a semantic hit, found by the similarity of \
      embeddings). The entries are in Redis under a key prefix, and all programs that use the prefix share them, \
      those with the Python library `mneme-cache` too.

      `mneme` reads and writes entries, shows statistics, removes what has expired, checks and repairs, sets quotas, \
      exports and imports. Commands that only read change nothing. `KEYS`, `FLUSHDB` and scripts are never sent.
      """,
    globalOptions: Options.global, rules: Options.globalRules,
    commands: commands.map { $0.spec },
    examples: [
      Example(command: "mneme stats", says: "show what is in the cache, and how often it hits"),
      Example(
        command: "mneme -u rediss://cache.example.com --password-file pw inspect-keys",
        says: "count the keys of a cache on another host, over TLS"),
      Example(command: "mneme -q vacuum --max-duration 5m", says: "remove expired entries, from cron"),
    ],
    environmentNotes: [
      NamedNote(
        "MNEME_PASSWORD", "The password, if neither {option:password-file} nor {option:askpass} is given."),
      NamedNote("REDISCLI_AUTH", "The password, if {env:MNEME_PASSWORD} is not set."),
      NamedNote(
        "OPENAI_BASE_URL",
        "The server of the embedders `openai:MODEL:dimN`. The default is `https://api.openai.com/v1`."),
      NamedNote("OPENAI_API_KEY", "The key for that server. mneme never prints it."),
      NamedNote(
        "OLLAMA_HOST", "The server of the embedders `ollama:MODEL:dimN`. The default is `localhost:11434`."),
      NamedNote("NO_COLOR", "If set and not empty, mneme uses no bold type."),
      NamedNote("PATH", "The directories in which {command:demo} looks for `redis-server`."),
      NamedNote(
        "XDG_CACHE_HOME",
        "The directory in which {command:get} keeps vectors. The default is `.cache` in {env:HOME}."
      ),
      NamedNote("HOME", "The user's home directory."),
      NamedNote("TERM", "If it is `dumb`, mneme uses no bold type and shows no progress."),
      NamedNote("COLUMNS", "How many columns to fill. The default is the width of the terminal."),
    ],
    exitStatuses: [
      ExitNote(0, "done, or a hit"),
      ExitNote(1, "the answer is no: a miss, no cache, no such entry; or work is left"),
      ExitNote(64, "a wrong command line"),
      ExitNote(65, "bad data: an import line, metadata, an embedding, a response, a corrupt entry"),
      ExitNote(66, "an input file that cannot be read"),
      ExitNote(
        69,
        "the server is unreachable, silent, out of memory or read-only, or has lost data; or a snapshot was requested"
      ),
      ExitNote(70, "a bug"),
      ExitNote(73, "an output file that cannot be made"),
      ExitNote(74, "output that could not be written, as on a full disk"),
      ExitNote(75, "try later: the server is loading, busy, or has lost its primary"),
      ExitNote(77, "access denied: a missing or wrong password, an ACL, a certificate"),
      ExitNote(78, "the cache has another embedder or a newer schema, or a cluster needs a hash tag"),
      ExitNote(129, "the terminal hung up, after the current batch"),
      ExitNote(130, "interrupted, after the current batch"),
      ExitNote(143, "terminated, after the current batch"),
    ],
    files: [
      NamedNote(
        "/etc/ssl/certs", "The authorities that `rediss://` trusts if {option:cacert} is not given."),
      NamedNote("/dev/tty", "The terminal on which {option:askpass} asks."),
    ],
    seeAlso: [
      "mneme-json(5)", "mneme-backup(7)", "mneme-embedders(7)", "mneme-keys(7)", "mneme-performance(7)",
      "mneme-runbook(7)", "mneme-scheduling(7)", "mneme-security(7)", "mneme-servers(7)", "redis-cli(1)",
      "redis-server(1)",
    ], triedNames: triedNames)

  /// Names that other tools have for what a command does.
  private static let triedNames: KeyValuePairs = [
    "ls entries": "mneme list",
    "find search grep query select": "mneme list --contains TEXT",
    "cat view describe": "mneme show ID",
    "set add store insert": "mneme put QUERY RESPONSE",
    "ask lookup fetch": "mneme get QUERY",
    "rm remove del purge": "mneme delete --older-than DURATION",
    "expire ttl touch": "mneme set-ttl DURATION",
    "info status top count size": "mneme stats",
    "watch monitor": "mneme stats --watch",
    "ping check doctor": "mneme health",
    "fsck verify": "mneme inspect-keys --check",
    "repair fix": "mneme vacuum --repair",
    "keys scan": "mneme inspect-keys",
    "caches prefixes discover": "mneme inspect-keys --discover",
    "duplicates dedup dedupe conflicts": "mneme audit",
    "prune clean cleanup gc": "mneme vacuum",
    "flush flushdb flushall truncate empty": "mneme clear NAMESPACE",
    "destroy": "mneme drop",
    "limit": "mneme set-quota NAMESPACE",
    "backup dump save": "mneme export -o FILE",
    "load": "mneme import FILE",
    "copy cp clone migrate move mv sync": "mneme export | mneme -u URL import",
    "rename rename-namespace": "mneme export -n OLD | mneme import -n NEW",
    "rename-prefix": "mneme export | mneme -p NEW import",
    "diff compare": "mneme import --dry-run FILE",
  ]
}
