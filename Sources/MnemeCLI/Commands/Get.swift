import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme get`
struct Get: Command {
  static let query = Argument("QUERY", summary: "the question")
  static let exact = Switch("exact", summary: "only an exact hit, no semantic hit")
  static let threshold = Option(
    "threshold", value: .number("F", -1...1),
    summary: "the least similarity of a semantic hit",
    details: "The cosine of the two embeddings. The default is 0.85.")
  static let minConfidence = Option(
    "min-confidence", value: .number("F", 0...1),
    summary: "the least confidence of a semantic hit",
    details: "The similarity times 0.5 ^ (age / 24 h). The default is 0.7.")
  static let peek = Switch(
    "peek", summary: "change nothing",
    details:
      "Records no use, counts nothing, removes no expired entry. Works on a read-only replica.")
  static let explain = Switch(
    "explain", summary: "show the nearest entries, and why each was served or not",
    details: """
      After the answer, if there is one, mneme prints each candidate with its id, similarity, confidence, age, \
      remaining time to live, uses and verdict, then the rule that decided. After an exact hit, the candidates are \
      those that a semantic search would have compared. With {option:json} they are the member `candidates`.
      """)
  static let nearest = Option(
    "nearest", value: .count("N", 1...1000), default: 5, summary: "how many candidates {option:explain} shows"
  )
  static let noIndexCache = Switch(
    "no-index-cache", summary: "keep no vectors on this machine",
    details: """
      Otherwise mneme keeps the vectors of a large namespace, in int8 and without any text, in \
      `$XDG_CACHE_HOME/mneme` (`~/.cache/mneme`), so that the next semantic search need not read them all from the \
      server. The result is the same.
      """)

  static let spec = CommandSpec(
    name: "get", summary: "print the answer to a question",
    description: """
      Looks for {arg:QUERY} itself (an exact hit), then for the question with the most similar meaning (a semantic \
      hit), and prints the answer and a newline. Exits with status 1 if there is none.
      """,
    arguments: [query],
    options: [
      Options.namespace, exact, threshold, minConfidence, peek, explain, nearest, Options.noNormalize,
      noIndexCache,
    ] + VectorFile.options + EmbedderChoice.options,
    rules: [
      .dependency(of: nearest, on: explain), EmbedderChoice.rule, VectorFile.rule,
      .exclusion(of: exact, from: VectorFile.options + EmbedderChoice.options),
    ],
    examples: [
      Example(command: "mneme get 'What are your hours?'", says: "print an answer"),
      Example(
        command: "mneme get --peek --explain -n faq 'where is my card'",
        says: "show what an application would get, and why, and change nothing"),
    ],
    exitNotes: [ExitNote(1, "a miss")])

  let query: String
  let namespace: Namespace
  let options: SemanticCache.GetOptions
  let embedder: EmbedderChoice
  let embedding: VectorFile?
  let normalizes: Bool
  let keepsIndex: Bool
  /// The reason for a miss, if the options alone decide it.
  let missReason: MissReason?

  init(_ invocation: Invocation) throws(UsageError) {
    query = invocation[Self.query]
    namespace = invocation[Options.namespace]
    var options = SemanticCache.GetOptions()
    options.exactOnly = invocation[Self.exact]
    options.peek = invocation[Self.peek]
    options.threshold = invocation[Self.threshold]
    options.minConfidence = invocation[Self.minConfidence]
    options.explain = invocation[Self.explain] ? invocation[Self.nearest] : nil
    // `none` allows only exact hits, with any embedder of the cache.
    let isNone = invocation[Options.embedder] == AbsentEmbedder.none.fingerprint
    options.exactOnly = options.exactOnly || isNone
    missReason = isNone ? .noEmbedder : nil
    self.options = options
    var embedder = EmbedderChoice(invocation)
    if isNone { embedder.spec = nil }
    self.embedder = embedder
    embedding = VectorFile(invocation)
    normalizes = !invocation[Options.noNormalize]
    keepsIndex = !invocation[Self.noIndexCache]
  }

  func run(_ context: Context) throws -> any Report {
    var cacheOptions = SemanticCache.Options()
    cacheOptions.normalizesQueries = normalizes
    if keepsIndex { cacheOptions.indexDirectory = try context.indexDirectory() }
    let store = try context.openStore()
    let cache = try context.openCache(store, embedder: embedder, options: cacheOptions)
    defer { cache.close() }
    let vector = try embedding?.read(for: store.identity()?.dimension)
    var lookup = try cache.lookUp(query, namespace: namespace, embedding: vector, options: options)
    context.warnOfClock(of: store)
    if let failure = lookup.embedderFailure as? any MnemeError {
      context.warn("\(failure.message) \(failure.remediation)")
    }
    if let refusal = lookup.unrecorded {
      context.warn("this lookup was not recorded completely: \(refusal.message) \(refusal.remediation)")
    }
    context.warn(of: lookup.damaged)
    if lookup.hit == nil { lookup.missReason = missReason ?? lookup.missReason }
    try comment(on: lookup, store, context)
    let explanation = try options.explain.map { _ in
      Explanation(
        threshold: options.threshold ?? cacheOptions.threshold,
        minConfidence: options.minConfidence ?? cacheOptions.minConfidence, weighed: cacheOptions.neighbours,
        now: try store.time(for: context.clock()), exactOnly: options.exactOnly)
    }
    return GetReport(lookup: lookup, explanation: explanation)
  }

  /// Prints the reason of a miss on a terminal. A program gets it with --json.
  private func comment(on lookup: Lookup, _ store: RedisStore, _ context: Context) throws {
    if lookup.isIndexUnproven, context.settings.isVerbose {
      context.note(
        "every vector was read, and none was kept: the cache has no 'incarnation' that proves whose they are. The "
          + "first 'mneme get' without --peek stores one, if it may write and may ask for INFO.")
    }
    if let hit = lookup.hit {
      context.remark(
        list([
          "\(hit.layer == .exact ? "exact hit" : "semantic hit"): entry \(hit.id)",
          "similarity \(decimals(hit.similarity, 3))", "confidence \(decimals(hit.confidence, 3))",
          "\(span(hit.age.rawValue)) old",
        ]))
      return
    }
    let hasNeighbours = ![.noMatch, .noEmbedder, .embedderFailure].contains(lookup.missReason)
    // The neighbours are looked up for a terminal only, so that programs do not pay for them.
    let isForPerson = context.output.style.errorIsTerminal
    guard !context.settings.isQuiet,
      try !context.noteAbsence(of: store, hasNeighbours ? [] : [namespace], suggesting: isForPerson)
    else { return }
    if options.explain == nil, context.output.style.errorIsTerminal || context.settings.isVerbose {
      context.note("no answer: \(lookup.missReason?.text(exactOnly: options.exactOnly) ?? "nothing similar")")
    }
  }
}

struct GetReport: Report {
  var lookup: Lookup
  /// The explanation; nil without `--explain`.
  var explanation: Explanation?

  var status: ExitStatus { lookup.hit == nil ? .no : .done }

  var json: JSONOutput {
    guard explanation != nil, case .object(let members) = answer else { return answer }
    return .object(members + [("candidates", .array(lookup.candidates.map(\.json)))])
  }

  private var answer: JSONOutput {
    guard let hit = lookup.hit else {
      return ["hit": false, "reason": JSONOutput(lookup.missReason?.rawValue)]
    }
    let members: [(String, JSONOutput)] = [
      ("hit", true), ("id", JSONOutput(hit.id)), ("layer", JSONOutput(hit.layer.rawValue)),
      ("similarity", JSONOutput(hit.similarity)), ("confidence", JSONOutput(hit.confidence)),
      ("age_seconds", JSONOutput(hit.age)), ("namespace", JSONOutput(hit.namespace)),
      ("query", JSONOutput(hit.query)), ("response", JSONOutput(hit.response)),
      ("metadata", .metadata(hit.metadata)),
    ]
    let raw = hit.rawResponse.map {
      [(EntryLine.Member.rawResponse.rawValue, JSONOutput(base64($0)))]
    }
    return .object(members + (raw ?? []))
  }

  /// Writes a response that is not UTF-8, which only other writers store, unchanged to a file or pipe.
  func print(on output: Output) throws {
    if let raw = lookup.hit?.rawResponse, explanation == nil, !output.style.outputIsTerminal {
      try output.write(raw + [UInt8(ascii: "\n")])
    } else if let text = text(output.style) {
      try output.print(text)
    }
  }

  /// Returns the response, with control characters escaped on a terminal and unchanged elsewhere.
  func text(_ style: TerminalStyle) -> String? {
    let answer = lookup.hit.map {
      style.outputIsTerminal ? visible($0.response, multiline: true) : $0.response
    }
    guard let explanation else { return answer }
    return (answer.map { $0 + "\n\n" } ?? "") + explanation.text(of: lookup, style)
  }
}

extension MissReason {
  /// The reason of a miss, for the text output.
  func text(exactOnly: Bool) -> String {
    switch self {
    case .noMatch where exactOnly: "no entry has exactly this question"
    case .noMatch: "the namespace has nothing to compare with"
    case .belowThreshold: "the nearest question is below the threshold"
    case .lowConfidence: "the nearest answer is too old"
    case .notServable: "the nearest answers are expired, damaged or refused by the validator"
    case .embedderFailure: "there is no exact match, and the embedder failed"
    case .noEmbedder:
      "there is no exact match, and a semantic match needs the cache's embedder (see --embedder-command)"
    case .bypass: "a miss was requested"
    }
  }
}
