import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme inspect-keys`
struct InspectKeys: Command {
  static let list = Switch("list", summary: "print one key a line")
  static let family = Option(
    "family", value: .choice(KeyFamily.self, "FAMILY"), summary: "only the keys of this family")
  static let limit = Option(
    "limit", value: .count("N", 1...), summary: "end after so many keys")
  static let sample = Option(
    "sample", value: .sample, default: .count(100),
    summary: "how many keys of each family have their memory measured",
    details: "The figure is scaled up and marked `~`. `all` measures each key.")
  static let top = Option(
    "top", value: .count("N", 1...1000), summary: "name the largest keys, among those measured")

  static let spec = CommandSpec(
    name: "inspect-keys", summary: "show what the prefix holds, by key family",
    description: """
      Goes through the keys of the prefix with `SCAN`, which passes over the neighbours' keys without reading them, \
      and counts them by family, with their types, times to live and memory. Keys that are no part of the layout \
      are named. Writes nothing.
      """,
    options: [Options.onlyNamespace, list, family, limit, sample, top, Options.pace],
    rules: [.dependency(of: limit, on: list)],
    examples: [
      Example(command: "mneme inspect-keys", says: "a row for each key family"),
      Example(
        command: "mneme inspect-keys --sample all --top 10", says: "measure every key, name the largest"),
      Example(
        command: "mneme inspect-keys --list --family entry --limit 20", says: "the first keys of a family"),
    ], seeAlso: ["redis-cli(1)"])

  let options: KeySurveyOptions
  let list: Bool
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
    limit = invocation[Self.limit] ?? .max
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let work = LongWork(context, pace: pace)
    let progress = Progress(context, unit: "keys", isAmongResults: list)
    var options = options
    options.shouldStop = { work.shouldStop }
    options.progress = { seen in
      progress.update(seen)
      work.batchDone()
    }
    if list { return try list(store, options, work, context) }
    let survey = try store.surveyKeys(options)
    try work.check()
    return KeySurveyReport(keyPrefix: context.settings.keyPrefix, survey: survey)
  }

  /// Streams, so that a prefix of any size can be piped on.
  private func list(
    _ store: RedisStore, _ options: KeySurveyOptions, _ work: LongWork, _ context: Context
  ) throws -> any Report {
    let listed = Counted()
    var options = options
    let limit = limit
    options.shouldStop = { work.shouldStop || listed.count >= limit }
    try store.forEachKey(options, measuring: options.sample == .all || options.top > 0) { record in
      guard listed.count < limit else { return }
      listed.count += 1
      if context.settings.isJSON {
        try context.output.print(record.json)
      } else {
        try context.output.print(record.line(context.output.style))
      }
    }
    try work.check()
    return Silence()
  }
}

/// A count that a closure shares with its caller, on one thread.
private final class Counted: @unchecked Sendable {
  var count = 0
}

extension ValueKind where Value == KeySurveyOptions.Sample {
  /// A count, or `all`.
  static var sample: ValueKind {
    ValueKind(
      placeholder: "N", completion: .choices(["all"]),
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

extension KeyRecord {
  private var name: String { String(decoding: key, as: UTF8.self) }

  var json: JSONOutput {
    [
      "key": JSONOutput(name), "family": JSONOutput(family?.rawValue), "type": JSONOutput(type),
      "ttl": JSONOutput(ttl), "memory_bytes": JSONOutput(memoryBytes),
      "namespace": JSONOutput(namespace?.name),
    ]
  }

  func line(_ style: TerminalStyle) -> String {
    let ttl = ttl.map { "  expires in \(span($0.rawValue))" } ?? ""
    let memory = memoryBytes.map { "  \(size($0))" } ?? ""
    return visible(name) + (style.outputIsTerminal ? "  \(type)\(memory)\(ttl)" : "")
  }
}

struct KeySurveyReport: Report {
  var keyPrefix: String
  var survey: KeySurvey

  var json: JSONOutput {
    var members: [(String, JSONOutput)] = [
      ("key_prefix", JSONOutput(keyPrefix)), ("keys", JSONOutput(survey.keys)),
      ("memory_bytes", JSONOutput(survey.memoryBytes)), ("memory_exact", JSONOutput(survey.memoryIsExact)),
      ("families", .array(survey.families.map(Self.row))),
      ("unknown", .array(survey.unknown.map { JSONOutput(String(decoding: $0, as: UTF8.self)) })),
      ("problems", []),
    ]
    if !survey.largest.isEmpty { members.append(("largest", .array(survey.largest.map(\.json)))) }
    return .object(members)
  }

  private static func row(_ family: KeySurvey.Family) -> JSONOutput {
    [
      "family": JSONOutput(family.family?.rawValue), "type": JSONOutput(family.types.joined(separator: ",")),
      "keys": JSONOutput(family.keys), "memory_bytes": JSONOutput(family.memoryBytes),
      "with_ttl": JSONOutput(family.withTTL),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard survey.keys > 0 else { return "no keys under the prefix '\(visible(keyPrefix))'" }
    let about = survey.memoryIsExact ? "" : "~"
    func memory(_ bytes: Int?) -> String { bytes.map { about + size($0) } ?? "-" }
    var table = Table([
      .init(title: "FAMILY", isFlexible: true), .init(title: "TYPE"), .init(title: "KEYS", isNumeric: true),
      .init(title: "MEMORY", isNumeric: true), .init(title: "WITH TTL", isNumeric: true),
    ])
    for family in survey.families {
      table.rows.append([
        family.family?.rawValue ?? "(unknown)", family.types.joined(separator: ","), grouped(family.keys),
        memory(family.memoryBytes), family.withTTL > 0 ? grouped(family.withTTL) : "-",
      ])
    }
    table.rows.append(["total", "", grouped(survey.keys), memory(survey.memoryBytes), ""])
    var lines = [table.text(style)]
    if !survey.unknown.isEmpty {
      lines.append("\nno part of the layout:")
      lines += survey.unknown.prefix(10).map { "  " + visible(String(decoding: $0, as: UTF8.self)) }
      if survey.unknown.count > 10 { lines.append("  …") }
    }
    if !survey.largest.isEmpty {
      var table = Table([
        .init(title: "MEMORY", isNumeric: true), .init(title: "LARGEST KEYS", isFlexible: true),
      ])
      table.rows = survey.largest.map {
        [size($0.memoryBytes ?? 0), visible(String(decoding: $0.key, as: UTF8.self))]
      }
      lines.append("\n" + table.text(style))
    }
    return lines.joined(separator: "\n")
  }
}
