import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme put`
struct Put: Command {
  static let query = Argument("QUERY", summary: "the question")
  static let response = Argument(
    optional: "RESPONSE", summary: "the answer; if not given, standard input")
  static let responseFile = Option(
    "response-file", value: .file(), summary: "read the answer from a file, `-` for standard input")
  static let metadata = Option(
    "metadata", value: .text("JSON", allowsEmpty: false), summary: "a JSON object to store with the answer",
    details: "It is stored as it is written, with its numbers and the order of its members.")
  static let allowEmpty = Switch(
    "allow-empty", summary: "store an answer to the empty query",
    details: "Otherwise an empty or blank query is refused: usually it is a variable that is not set.")

  static let spec = CommandSpec(
    name: "put", summary: "store an answer",
    description: """
      Stores {arg:RESPONSE} as the answer to {arg:QUERY}. It replaces an answer to the same question in the same \
      namespace. If the namespace is over its quota afterwards, the least recently used entries are evicted.

      A response from a file or standard input is stored byte for byte, including a newline at its end. It must be \
      UTF-8 of at most 4 MiB, and not empty, blank or an error message of the application.
      """,
    arguments: [query, response],
    options: [
      Options.namespace, Options.ttl, metadata, responseFile, Options.nativeTTL, Options.maxEntries,
      Options.noNormalize, allowEmpty,
    ] + VectorFile.options + EmbedderChoice.options,
    rules: [.atMostOne(of: response, responseFile), EmbedderChoice.rule, VectorFile.rule],
    examples: [
      Example(command: "mneme put 'What are your hours?' 'Nine to five.'", says: "store an answer"),
      Example(
        command: "mneme put -n faq --ttl 7d 'Where is my card?' --response-file answer.txt",
        says: "store one from a file for a week, in the namespace `faq`"),
    ])

  let query: String
  let source: Source
  let namespace: Namespace
  let ttl: Seconds?
  let metadata: String
  let embedder: EmbedderChoice
  let embedding: VectorFile?
  let nativeTTL: Bool
  let maxEntries: Int?
  let normalizes: Bool

  enum Source {
    case text(String)
    case file(String)
  }

  init(_ invocation: Invocation) throws(UsageError) {
    query = invocation[Self.query]
    source = invocation[Self.response].map { .text($0) } ?? .file(invocation[Self.responseFile] ?? "-")
    namespace = invocation[Options.namespace]
    ttl = invocation[Options.ttl].map(Seconds.init)
    metadata = invocation[Self.metadata] ?? "{}"
    embedder = EmbedderChoice(invocation)
    embedding = VectorFile(invocation)
    nativeTTL = invocation[Options.nativeTTL]
    maxEntries = invocation[Options.maxEntries]
    normalizes = !invocation[Options.noNormalize]
    let effective = normalizes ? QueryNormalizer.normalize(query) : query
    guard !effective.isEmpty || invocation[Self.allowEmpty] else {
      throw invocation.usageError(
        "the query is empty", suggestion: "Add --allow-empty to store an answer to the empty query.")
    }
  }

  func run(_ context: Context) throws -> any Report {
    var options = SemanticCache.Options()
    options.maxEntries = maxEntries
    options.normalizesQueries = normalizes
    let response = try readResponse(limit: options.limits.responseBytes, context)
    let store = try context.openStore(nativeTTL: nativeTTL)
    // Redis expires by its own clock, and deletes an entry immediately if the time has passed there.
    if nativeTTL, ttl != nil {
      _ = try store.time(for: context.clock())
      context.warnOfClock(of: store)
    }
    let cache = try context.openCache(
      store, embedder: embedder, options: options, correctingClockBy: store.clockLead)
    defer { cache.close() }
    let vector = try embedding?.read(for: store.identity()?.dimension)
    let insertion = try cache.put(
      query, response, namespace: namespace, metadata: JSONOutput.onOneLine(metadata), ttl: ttl,
      embedding: vector)
    return PutReport(insertion: insertion, namespace: namespace)
  }

  private func readResponse(limit: Int, _ context: Context) throws -> String {
    switch source {
    case .text(let text): return text
    case .file(let path):
      let file = try InputFile(path)
      if file.isTerminal { context.note("reading the response from the terminal; Ctrl-D ends it") }
      guard let bytes = try file.readAll(limit: limit) else {
        throw InputError(
          "The response has more than \(limit) bytes, which is the limit.",
          remediation: "Shorten the response.")
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw InputError(
          "The response is not valid UTF-8.", remediation: "Convert it, for instance with iconv.")
      }
      return text
    }
  }
}

struct PutReport: Report {
  var insertion: Insertion
  var namespace: Namespace

  var json: JSONOutput {
    [
      "id": JSONOutput(insertion.id), "namespace": JSONOutput(namespace),
      "replaced": JSONOutput(insertion.replaced), "evicted": JSONOutput(insertion.evicted),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    let verb = insertion.replaced ? "replaced" : "stored"
    let evicted = insertion.evicted > 0 ? ", \(grouped(insertion.evicted)) evicted" : ""
    return "\(verb) entry \(insertion.id) in '\(visible(namespace.name))'\(evicted)"
  }

  var isConfirmation: Bool { true }
}
