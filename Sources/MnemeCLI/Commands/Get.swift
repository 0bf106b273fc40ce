import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme get`
struct Get: Command {
  static let query = Argument("QUERY", summary: "the question")
  static let exact = Switch("exact", summary: "only the same question, none that means the same")
  static let threshold = Option(
    "threshold", value: .number("F", -1...1),
    summary: "the least similarity of an answer by meaning",
    details: "The cosine of the questions' embeddings; 0.85 unless given.")
  static let minConfidence = Option(
    "min-confidence", value: .number("F", 0...1),
    summary: "the least confidence of an answer by meaning",
    details: "Similarity times 0.5 ^ (age / 24 h); 0.7 unless given.")
  static let peek = Switch(
    "peek", summary: "touch nothing",
    details:
      "No access is recorded, nothing is counted, no expired entry removed. Works on a read-only replica.")
  static let explain = Switch(
    "explain", summary: "say what came near, and why it was or was not served",
    details: """
      After the answer, if there is one: each candidate with its id, similarity, confidence, age, time to live left, \
      uses and verdict, then the rule that decided. After an exact hit they are what would have been served without \
      it. With {option:json} they are the member `candidates`.
      """)
  static let nearest = Option(
    "nearest", value: .count("N", 1...1000), default: 5, summary: "how many candidates {option:explain} shows"
  )
  static let noIndexCache = Switch(
    "no-index-cache", summary: "keep no vectors on this machine",
    details: """
      Otherwise the vectors of a large namespace, in int8 and without any text, are kept in `$XDG_CACHE_HOME/mneme` \
      (`~/.cache/mneme`), so that the next search by meaning need not read them all from the server. The answers are \
      the same.
      """)

  static let spec = CommandSpec(
    name: "get", summary: "print the answer to a question",
    description: """
      Looks for {arg:QUERY} itself, then for the question that comes nearest to it by meaning, and prints the \
      answer and a newline. Ends with status 1 when there is none.
      """,
    arguments: [query],
    options: [
      Options.namespace, exact, threshold, minConfidence, peek, explain, nearest, Options.noNormalize,
      noIndexCache,
    ] + VectorFile.options + EmbedderChoice.options,
    rules: [.dependency(of: nearest, on: explain), EmbedderChoice.rule, VectorFile.rule],
    examples: [
      Example(command: "mneme get 'What are your hours?'", says: "print an answer"),
      Example(
        command: "mneme get --peek --explain -n faq 'where is my card'",
        says: "see what an application would be served, and why, without leaving a trace"),
    ],
    exitNotes: [ExitNote(1, "a miss")])

  let query: String
  let namespace: Namespace
  let options: SemanticCache.GetOptions
  let embedder: EmbedderChoice
  let embedding: VectorFile?
  let normalizes: Bool
  let keepsIndex: Bool
  /// What a miss is called where the request itself decides that.
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
    // Whatever the cache's embedder is, `none` asks for no second layer.
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
    // Nothing was removed, and so the clocks were not compared.
    if lookup.hit == nil, options.peek { _ = try store.time(for: context.clock()) }
    context.warnOfClock(of: store)
    if lookup.hit == nil, let lead = store.clockLead {
      let corrected = try context.openCache(
        store, embedder: embedder, options: cacheOptions, correctingClockBy: lead)
      lookup = try corrected.lookUp(query, namespace: namespace, embedding: vector, options: options)
    }
    if let failure = lookup.embedderFailure as? any MnemeError {
      context.warn("\(failure.message) \(failure.remediation)")
    }
    context.warn(of: lookup.damaged)
    if lookup.hit == nil { lookup.missReason = missReason ?? lookup.missReason }
    try comment(on: lookup, store, context)
    let explanation = options.explain.map { _ in
      Explanation(
        threshold: options.threshold ?? cacheOptions.threshold,
        minConfidence: options.minConfidence ?? cacheOptions.minConfidence, weighed: cacheOptions.neighbours,
        now: context.clock())
    }
    return GetReport(lookup: lookup, explanation: explanation)
  }

  /// A hit speaks for itself. A miss is silent where a program reads, but a person wants to know why.
  private func comment(on lookup: Lookup, _ store: RedisStore, _ context: Context) throws {
    if lookup.isIndexUnproven, context.settings.isVerbose {
      context.note(
        "every vector was read, and none was kept: the cache has no 'incarnation' that proves whose they are. The "
          + "first 'mneme get' without --peek stores one, if it may write and may ask for INFO.")
    }
    if let hit = lookup.hit {
      context.remark(
        list([
          "\(hit.layer == .exact ? "exact hit" : "hit by meaning"): entry \(hit.id)",
          "similarity \(decimals(hit.similarity, 3))", "confidence \(decimals(hit.confidence, 3))",
          "\(span(hit.age.rawValue)) old",
        ]))
      return
    }
    guard try !context.noteAbsence(of: store) else { return }
    if options.explain == nil, context.output.style.errorIsTerminal || context.settings.isVerbose {
      context.note("no answer: \(lookup.missReason?.text ?? "nothing like it")")
    }
  }
}

struct GetReport: Report {
  var lookup: Lookup
  /// Wanted with `--explain`.
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

  /// What another writer has stored and is no UTF-8 goes to a file or pipe as it is.
  func print(on output: Output) throws {
    if let raw = lookup.hit?.rawResponse, explanation == nil, !output.style.outputIsTerminal {
      try output.write(raw + [UInt8(ascii: "\n")])
    } else if let text = text(output.style) {
      try output.print(text)
    }
  }

  /// The response's own bytes; harmless on a terminal, untouched everywhere else.
  func text(_ style: TerminalStyle) -> String? {
    let answer = lookup.hit.map {
      style.outputIsTerminal ? visible($0.response, multiline: true) : $0.response
    }
    guard let explanation else { return answer }
    return (answer.map { $0 + "\n\n" } ?? "") + explanation.text(of: lookup, style)
  }
}

extension MissReason {
  /// For people: why there is no answer.
  var text: String {
    switch self {
    case .noMatch: "no question in the namespace means the same"
    case .belowThreshold: "the nearest question is less similar than the threshold"
    case .lowConfidence: "the nearest answer is too old for the confidence that is asked for"
    case .notServable: "the nearest answers are expired, damaged or refused by the validator"
    case .embedderFailure: "the embedder failed, and the very question is not there"
    case .noEmbedder: "the very question is not there, and no embedder is at hand to look further"
    case .bypass: "a miss was asked for"
    }
  }
}
