import CommandGrammar
import Mneme
import MnemeRedis

/// The options that choose entries, for the commands that work on those.
struct SelectionRequest {
  static let group = Group("Selection")

  static let namespaces = Option(
    repeating: "namespace", short: "n", value: .namespace, group: group,
    summary: "only entries of this namespace")
  static let ids = Option(
    repeating: "id", value: .text("ID", allowsEmpty: false), group: group,
    summary: "only the entry with this id",
    details: """
      Words that follow are ids too, as in `--id 1 2 3`. `-` reads ids from standard input, one on each line.
      """)
  static let contains = Option(
    repeating: "contains", value: .text("TEXT", allowsEmpty: false), group: group,
    summary: "only entries with this text in the query or the response",
    details: """
      Case and the amount of white space do not matter. If the option is given several times, all texts must be there. The \
      same holds for {option:query-contains} and {option:response-contains}.
      """)
  static let queryContains = Option(
    repeating: "query-contains", value: .text("TEXT", allowsEmpty: false), group: group,
    summary: "only entries with this text in the query")
  static let responseContains = Option(
    repeating: "response-contains", value: .text("TEXT", allowsEmpty: false), group: group,
    summary: "only entries with this text in the response")
  static let metadata = Option(
    repeating: "metadata", value: .text("CONDITION", allowsEmpty: false), group: group,
    summary: "only entries whose metadata has this member, with this value",
    details: """
      The name of a member, or a name, `=` and its value: `source`, `source=faq`. A dot leads into an object: \
      `source.document=handbook`. The value is a JSON number, string, `true`, `false` or `null`, and any other text is a \
      string: `page=12` is a number, `code="12"` a string. A list has a value when one of its elements does.
      """)
  static let olderThan = age("older-than", "only entries that were put at least this long ago")
  static let newerThan = age("newer-than", "only entries that were put less than this long ago")
  static let unusedFor = age("unused-for", "only entries that were not used for at least this long")
  static let usedWithin = age("used-within", "only entries that were used less than this long ago")
  static let minUses = Option(
    "min-uses", value: .count("N"), group: group, summary: "only entries with at least this many uses")
  static let maxUses = Option(
    "max-uses", value: .count("N"), group: group, summary: "only entries with at most this many uses",
    details: "`--max-uses 0` selects those that were never used.")
  static let expiresWithin = age("expires-within", "only entries that expire within this time")
  static let expired = Switch(
    "expired", group: group, summary: "only expired entries that still exist")
  static let noTTL = Switch("no-ttl", group: group, summary: "only entries that never expire")
  static let includeExpired = Switch(
    "include-expired", group: group, summary: "also expired entries that still exist")
  static let largerThan = Option(
    "larger-than", value: .size, group: group, summary: "only entries with a response of more bytes")
  static let unservable = Switch(
    "unservable", group: group, summary: "only entries never served, or only as an exact hit",
    details: """
      Their response is blank or an error message, and they are never served. Or their vector cannot be compared with \
      others, and they are only served as an exact hit.
      """)
  static let like = Option(
    "like", value: .text("QUERY", allowsEmpty: false), group: group,
    summary: "only entries whose query is similar in meaning",
    details: "Needs the cache's embedder. {option:threshold} sets how similar.")
  static let threshold = Option(
    "threshold", value: .number("F", 0...1), default: 0.85, group: group,
    summary: "the least similarity for {option:like}")

  private static func age(_ name: String, _ summary: String) -> Option<Duration?> {
    Option(name, value: .duration, group: group, summary: summary)
  }

  static let options = choices + [threshold] + EmbedderChoice.options

  /// The options that choose. `threshold` says more about one of them.
  static let choices: [any OptionDeclaration] = [
    namespaces, ids, contains, queryContains, responseContains, metadata, olderThan, newerThan, unusedFor,
    usedWithin, minUses, maxUses, expiresWithin, expired, noTTL, includeExpired, largerThan, unservable,
    like,
  ]

  static let rules: [Rule] = choiceRules + [.dependency(of: threshold, on: like)]

  static let choiceRules: [Rule] =
    [.atMostOne(of: expiresWithin, expired, noTTL), EmbedderChoice.rule]
    + EmbedderChoice.options.map { Rule.dependency(of: $0, on: like) }

  /// The ids after the first one of `--id`.
  static let moreIDs = Argument(repeating: "ID", summary: "more ids after {option:id}, as in `--id 1 2 3`")

  private let namespaces: Set<Namespace>
  private let ids: [String]
  private let texts, queryTexts, responseTexts: [SearchText]
  private let metadata: [MetadataCondition]
  private let ages: Ages
  private let uses: ClosedRange<Int64>
  private let expiresWithin: Duration?
  private let expired, noTTL, includeExpired, isUnservable: Bool
  private let largerThan: Int?
  private let like: String?
  private let threshold: Double
  private let embedder: EmbedderChoice
  /// Whether any of these options is given. If none is, all entries would match.
  let isGiven: Bool
  /// Whether only ids are given, or only namespaces.
  let isAtMostIDs, isAtMostNamespaces: Bool
  private let noID: (String) -> UsageError

  private struct Ages {
    var older, newer, unused, used: Duration?
  }

  /// - Parameters:
  ///   - moreIDs: arguments, which are ids if `--id` is given.
  ///   - wordAdvice: the advice for arguments without `--id`.
  init(
    _ invocation: Invocation, moreIDs: [String],
    wordAdvice: String = "A text follows --contains, and a namespace -n."
  ) throws(UsageError) {
    func texts(_ option: Option<[String]>) throws(UsageError) -> [SearchText] {
      var texts: [SearchText] = []
      for text in invocation[option] {
        guard let text = SearchText(text) else {
          throw invocation.usageError(
            "\(option.spec.longForm): '\(text)' is blank", suggestion: "Give it a text to look for.")
        }
        texts.append(text)
      }
      return texts
    }
    namespaces = Set(invocation[Self.namespaces])
    let ids = invocation[Self.ids]
    guard moreIDs.isEmpty || !ids.isEmpty else {
      throw invocation.usageError(
        "'\(moreIDs[0])' is not expected here",
        suggestion: EntryID(text: moreIDs[0]) == nil ? wordAdvice : "Write --id \(moreIDs[0]) for an id.")
    }
    self.ids = ids + moreIDs
    self.texts = try texts(Self.contains)
    queryTexts = try texts(Self.queryContains)
    responseTexts = try texts(Self.responseContains)
    var conditions: [MetadataCondition] = []
    for text in invocation[Self.metadata] {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let condition = MetadataCondition(path: parts[0], value: parts.count > 1 ? parts[1] : nil) else {
        throw invocation.usageError(
          "--metadata: the path '\(parts[0])' has an empty part",
          suggestion: "Write names with a dot between each two, as source.document.")
      }
      conditions.append(condition)
    }
    metadata = conditions
    ages = Ages(
      older: invocation[Self.olderThan], newer: invocation[Self.newerThan],
      unused: invocation[Self.unusedFor], used: invocation[Self.usedWithin])
    let (least, most) = (invocation[Self.minUses] ?? 0, invocation[Self.maxUses] ?? Int.max)
    for (isEmpty, a, b) in [
      (least > most, "--min-uses" as String, "--max-uses" as String),
      (Self.isEmpty(ages.older, ages.newer), "--older-than", "--newer-than"),
      (Self.isEmpty(ages.unused, ages.used), "--unused-for", "--used-within"),
    ] where isEmpty {
      throw invocation.usageError("no entry can match both \(a) and \(b)")
    }
    uses = Int64(least)...Int64(most)
    expiresWithin = invocation[Self.expiresWithin]
    expired = invocation[Self.expired]
    noTTL = invocation[Self.noTTL]
    includeExpired = invocation[Self.includeExpired]
    largerThan = invocation[Self.largerThan]
    isUnservable = invocation[Self.unservable]
    like = invocation[Self.like]
    threshold = invocation[Self.threshold]
    embedder = EmbedderChoice(invocation)
    let given = Self.choices.filter {
      $0.member != Self.includeExpired.member && invocation.isGiven($0)
    }
    isGiven = !given.isEmpty
    isAtMostIDs = given.allSatisfy { $0.member == Self.ids.member }
    isAtMostNamespaces = given.allSatisfy { $0.member == Self.namespaces.member }
    noID = {
      invocation.usageError(
        "--id: '\($0)' is not an id", suggestion: "An id is a whole number of 1 or more, as in --id 4711.")
    }
    for id in self.ids where id != "-" { _ = try Self.id(id, orElse: noID) }
  }

  /// Whether no age can satisfy both limits.
  private static func isEmpty(_ atLeast: Duration?, _ lessThan: Duration?) -> Bool {
    if let atLeast, let lessThan { atLeast >= lessThan } else { false }
  }

  private static func id(
    _ text: String, orElse error: (String) -> UsageError
  ) throws(UsageError) -> EntryID {
    guard let id = EntryID(text: text) else { throw error(text) }
    return id
  }

  /// Returns the selection, by the clock of the command. Reads ids from standard input if `-` is one of them, and
  /// embeds the text of `--like`.
  func selection(_ store: RedisStore, _ context: Context) throws -> Selection {
    let now = try store.time(for: context.clock())
    func moment(_ age: Duration?) -> UnixTime? { age.map { now + Seconds(-Seconds($0).rawValue) } }
    var selection = Selection()
    selection.namespaces = namespaces
    if !ids.isEmpty { selection.ids = try chosenIDs() }
    (selection.texts, selection.queryTexts, selection.responseTexts) = (texts, queryTexts, responseTexts)
    selection.metadata = metadata
    (selection.createdUntil, selection.createdAfter) = (moment(ages.older), moment(ages.newer))
    (selection.usedUntil, selection.usedAfter) = (moment(ages.unused), moment(ages.used))
    selection.uses = uses
    selection.expiry =
      expired
      ? .expired
      : expiresWithin.map { .by(now + Seconds($0)) }
        ?? (noTTL ? .never : includeExpired ? .any : .notExpired)
    selection.responseBytesAbove = largerThan
    selection.isUnservable = isUnservable
    if let like {
      let cache = try context.openCache(store, embedder: embedder)
      selection.likeness = Selection.Likeness(vector: try cache.embedding(of: like), threshold: threshold)
    }
    return selection
  }

  /// The namespaces that were named, or the default one.
  var namespacesOrDefault: [Namespace] { namespaces.isEmpty ? [.default] : namespaces.sorted() }

  /// Returns the ids that were named, including those on standard input.
  func chosenIDs() throws -> Set<EntryID> {
    var chosen: Set<EntryID> = []
    for text in ids {
      guard text == "-" else {
        chosen.insert(try Self.id(text, orElse: noID))
        continue
      }
      var lines = LineReader(try InputFile("-"), limit: 4096)
      while let line = try lines.next() {
        for word in String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace) {
          chosen.insert(try Self.id(String(word), orElse: noID))
        }
      }
    }
    return chosen
  }
}

extension EntryID {
  /// An id as a person types it.
  init?(text: String) {
    guard let number = Int64(text), number > 0, text.utf8.allSatisfy(isDigit) else { return nil }
    self.init(number)
  }
}

extension ValueKind where Value == Int {
  /// A size in bytes: `4096`, `64k`, `1M`; the letters are powers of 1024, also as `KiB` and `MiB`.
  static var size: ValueKind {
    ValueKind(
      placeholder: "SIZE", isNumeric: true,
      parse: { text throws(ValueProblem) in
        let noSize = ValueProblem("is not a size", advice: "write it as 4096, 64k or 1M")
        let digits = text.utf8.prefix(while: isDigit)
        guard !digits.isEmpty else { throw noSize }
        let unit: Int
        switch String(Substring(text.utf8[digits.endIndex...])).lowercased() {
        case "", "b": unit = 1
        case "k", "kb", "kib": unit = 1 << 10
        case "m", "mb", "mib": unit = 1 << 20
        case "g", "gb", "gib": unit = 1 << 30
        default: throw noSize
        }
        let (size, overflow) = (Int(Substring(digits)) ?? Int.max).multipliedReportingOverflow(by: unit)
        guard !overflow, size < Int.max else { throw ValueProblem("is too large", advice: noSize.advice) }
        return size
      },
      format: { String($0) })
  }
}
