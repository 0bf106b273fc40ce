import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme inspect-keys`
struct InspectKeys: Command {
  static let list = Switch("list", summary: "print one key a line")
  static let family = Option(
    "family", value: .choice(KeyFamily.self, "FAMILY"), summary: "only the keys of this family")
  static let limit = Option(
    "limit", value: .count("N", 1...Int.max), summary: "end after this many keys")
  static let sample = Option(
    "sample", value: .sample, default: .count(100),
    summary: "how many keys of each family have their memory measured",
    details: """
      The total is estimated from the sample and marked `~`. `all` measures each key. The size of an index is always \
      an estimate by Redis from 100 of its members, because measuring a million would block the server.
      """)
  static let top = Option(
    "top", value: .count("N", 1...1000), summary: "name the largest keys, among those measured")
  static let check = Switch(
    "check", summary: "compare each entry with each index",
    details: """
      Reads the fields and vector of every entry, but no response. Every problem is checked twice before it is \
      reported, so that the writes of other clients are not taken for problems. Each problem has a name, a key and a \
      repair; `mneme vacuum --repair` repairs most. With {option:json} all problems are listed; as text, the first \
      of each name.
      """)
  static let discover = Switch(
    "discover", summary: "find every cache on the server",
    details: """
      Searches the database for keys that end in `:meta` and name an embedder. It ignores {option:key-prefix}. On a \
      cluster it asks every primary.
      """)

  static let spec = CommandSpec(
    name: "inspect-keys", summary: "show what the prefix holds, by key family",
    description: """
      Scans the keys of the prefix with `SCAN` and counts them by family, with their types, times to live and \
      memory. Foreign keys, which are not part of the layout, are listed. Changes nothing, and reads no keys of \
      other prefixes.

      The user needs the right to run `SCAN`.
      """,
    options: [
      Options.onlyNamespace, list, family, limit, sample, top, check, discover, Options.allCaches,
      Options.pace,
    ],
    rules: [
      .dependency(of: limit, on: list), .dependency(of: Options.allCaches, on: check),
      .atMostOne(of: list, check, discover), .exclusion(of: check, from: [family, sample, top]),
      .exclusion(of: discover, from: [Options.onlyNamespace, family, sample, top]),
    ],
    examples: [
      Example(command: "mneme inspect-keys", says: "a row for each key family"),
      Example(
        command: "mneme inspect-keys --sample all --top 10", says: "measure every key, name the largest"),
      Example(
        command: "mneme inspect-keys --list --family entry --limit 20", says: "the first keys of a family"),
      Example(command: "mneme inspect-keys --check", says: "check the cache"),
      Example(command: "mneme inspect-keys --discover", says: "find all caches on the server"),
    ],
    exitNotes: [
      ExitNote(
        1, "{option:check} found a problem, or there is no cache under the prefix or no such namespace")
    ],
    seeAlso: ["mneme-vacuum(1)", "redis-cli(1)"])

  let options: KeySurveyOptions
  let list: Bool
  let check: Bool
  let allCaches: Bool
  let discover: Bool
  let limit: Int
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    var options = KeySurveyOptions()
    options.namespace = invocation[Options.onlyNamespace]
    options.family = invocation[Self.family]
    options.sample = invocation[Self.sample]
    options.top = invocation[Self.top] ?? 0
    self.options = options
    list = invocation[Self.list]
    check = invocation[Self.check]
    allCaches = invocation[Options.allCaches]
    discover = invocation[Self.discover]
    limit = invocation[Self.limit] ?? .max
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    try allCaches ? context.forEachCache(inspect) : inspect(context)
  }

  private func inspect(_ context: Context) throws -> any Report {
    if discover { return try discover(context) }
    let store = try context.openExistingStore()
    defer { store.close() }
    if check, !context.settings.isJSON { return try check(store, context) }
    let work = try LongWork(context, unit: "keys", isAmongResults: list, pace: pace, guarding: [store])
    var options = options
    options.control = work.control()
    options.namesNamespaces = list && context.settings.isJSON
    if list { return try list(store, options, work, context) }
    let survey = try store.surveyKeys(options)
    warn(memoryIsNotPermitted: survey.memoryIsNotPermitted, context)
    try work.finish()
    try work.check()
    // The check prints the note itself.
    if survey.keys == 0, !check { try noteAbsence(of: store, context) }
    let report = KeySurveyReport(
      keyPrefix: context.settings.keyPrefix, namespace: options.namespace, survey: survey)
    return check ? try check(store, context, after: report) : report
  }

  /// Lists the keys as they are found, so that a prefix of any size can be piped to another program.
  private func list(
    _ store: RedisStore, _ options: KeySurveyOptions, _ work: LongWork, _ context: Context
  ) throws -> any Report {
    var count = 0
    var isNotPermitted = false
    let limit = limit
    /// The limit is reached.
    struct Enough: Error {}
    do {
      let measuring = options.sample == .all || options.top > 0
      try store.forEachKey(options, measuring: measuring) { record in
        count += 1
        isNotPermitted = isNotPermitted || record.memoryIsNotPermitted
        if context.settings.isJSON {
          try context.output.print(record.json)
        } else {
          try context.output.print(record.line(context.output.style))
        }
        if count >= limit { throw Enough() }
      }
    } catch is Enough {}
    if count == 0 { try noteAbsence(of: store, context) }
    warn(memoryIsNotPermitted: isNotPermitted, context)
    try work.finish()
    try work.check()
    return NoReport()
  }

  func noteAbsence(of store: RedisStore, _ context: Context) throws {
    try context.noteAbsence(of: store, options.namespace.map { [$0] } ?? [])
  }

  private func warn(memoryIsNotPermitted: Bool, _ context: Context) {
    if memoryIsNotPermitted { context.warn("the server does not permit MEMORY, so sizes are left out") }
  }
}

extension ValueKind where Value == KeySurveyOptions.Sample {
  /// A count, or `all`.
  static var sample: ValueKind {
    ValueKind(
      placeholder: "N", completion: .suggestions(["all"]),
      parse: { text throws(ValueProblem) in
        if text == "all" { return .all }
        return .count(try ValueKind<Int>.count("N", 0...1_000_000).parse(text))
      },
      format: { sample in
        switch sample {
        case .all: "all"
        case .count(let count): String(count)
        }
      })
  }
}
