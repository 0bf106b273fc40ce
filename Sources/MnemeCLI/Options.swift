import CommandGrammar
import Mneme

/// The options that more than one command has, each declared once.
enum Options {
  static let connection = Group("Connection")
  static let output = Group("Output")
  static let embedders = Group("Embedder")

  // MARK: Connection

  static let url = Option(
    "url", short: "u", value: .text("URL", allowsEmpty: false), environment: ["MNEME_URL", "REDIS_URL"],
    default: "redis://localhost:6379/0", group: connection,
    summary: "the Redis server",
    details: """
      One of `redis://[[user][:password]@]host[:port][/db]`, `rediss://` for the same over TLS, and \
      `unix://[[user][:password]@]/path[?db=N]`. Parts are percent-decoded, an IPv6 host stands in brackets, and \
      the query parameters are those of redis-py. A password is better given by {option:password-file}: other \
      users of the machine see a command line.
      """)

  static let keyPrefix = Option(
    "key-prefix", short: "p", value: .text("PREFIX", completion: .dynamic("prefixes"), allowsEmpty: false),
    environment: ["MNEME_KEY_PREFIX"],
    default: "mneme", group: connection,
    summary: "the prefix under which all keys of the cache live",
    details: "On a Redis Cluster it needs a hash tag, as in `{mneme}`, so that all keys live in one slot.")

  static let passwordFile = Option(
    "password-file", value: .file(), group: connection,
    summary: "a file whose first line is the password",
    details:
      "Comes before {env:MNEME_PASSWORD} and {env:REDISCLI_AUTH}, which come before the URL's password.")

  static let askPassword = Switch(
    "askpass", group: connection, summary: "ask for the password on the terminal",
    details: "What is typed is not shown.")

  static let caCertificate = Option(
    "cacert", value: .file(), environment: ["MNEME_CACERT"], group: connection,
    summary: "a PEM file of the authorities to trust",
    details: "In place of the system's.")

  static let certificate = Option(
    "cert", value: .file(), environment: ["MNEME_CERT"], group: connection,
    summary: "a PEM file of our certificate, where the server asks for one")

  static let key = Option(
    "key", value: .file(), environment: ["MNEME_KEY"], group: connection,
    summary: "a PEM file of the key to {option:cert}")

  static let insecure = Switch(
    "insecure", group: connection, summary: "accept any certificate",
    details: "Anyone on the way can then read and change what is sent. For trying things out.")

  static let connectTimeout = Option(
    "connect-timeout", value: .duration(in: .milliseconds(1)...(.seconds(86_400)), milliseconds: true),
    default: .seconds(5), group: connection, summary: "how long connecting may take")

  static let timeout = Option(
    "timeout", value: .duration(in: .milliseconds(1)...(.seconds(86_400)), milliseconds: true),
    default: .seconds(30), group: connection, summary: "how long the server may stay silent")

  // MARK: Output

  static let json = Switch("json", group: output, summary: "print JSON: one object, errors too")

  static let quiet = Switch(
    "quiet", short: "q", group: output, summary: "print results and errors, and nothing else",
    details: """
      What only confirms that a change was made is left out too: a `put` or a `vacuum` that worked prints nothing. \
      What was asked for is printed: by `get`, `stats`, with {option:json} or `--dry-run`.
      """)

  static let verbose = Switch(
    "verbose", short: "v", group: output, summary: "say on standard error what is done",
    details: """
      Which server and prefix, and who says so; what was found; how many round trips it took. Never a password, a \
      query or a response.
      """)

  static let color = Option(
    "color", value: .choice(When.self, "WHEN"), default: .auto, group: output,
    summary: "use bold type",
    details: "`auto` is on a terminal, unless {env:NO_COLOR} is set or {env:TERM} is `dumb`.")

  static let progress = Option(
    "progress", value: .choice(When.self, "WHEN"), default: .auto, group: output,
    summary: "show how far a long run has come",
    details: "`auto` is on a terminal. It stands on standard error, and is gone when the work is done.")

  /// Those of every command.
  static let global: [any OptionDeclaration] = [
    url, keyPrefix, passwordFile, askPassword, caCertificate, certificate, key, insecure, connectTimeout,
    timeout,
    json, quiet, verbose, color, progress,
  ]

  static let globalRules: [Rule] = [
    .atMostOne(of: quiet, verbose), .atMostOne(of: passwordFile, askPassword),
  ]

  // MARK: Shared by some commands

  static let namespace = Option(
    "namespace", short: "n", value: .namespace, default: .default, summary: "the namespace")

  static let onlyNamespace = Option(
    "namespace", short: "n", value: .namespace, summary: "only this namespace")

  static let embedder = Option(
    "embedder", value: .text("SPEC", allowsEmpty: false), group: embedders,
    summary: "the embedder, by its fingerprint",
    details: """
      A cache that exists says by itself which it wants; a new one takes `mneme:hashed-ngrams-v1:dim384`, which is \
      built in and needs no network and no model. `openai:MODEL:dimN` asks a server that speaks the OpenAI protocol \
      ({env:OPENAI_BASE_URL}, {env:OPENAI_API_KEY}), `ollama:MODEL:dimN` asks Ollama ({env:OLLAMA_HOST}), and \
      `command:NAME:dimN` goes with {option:embedder-command}. `none` keeps no vectors: only exact questions are \
      answered.
      """)

  static let embedderCommand = Option(
    "embedder-command", value: .text("COMMAND", allowsEmpty: false), group: embedders,
    summary: "a program that makes the vectors",
    details: """
      A line for the shell. The program gets each text as a JSON string on a line of its standard input and answers \
      with a JSON array of numbers on a line of its standard output; it is started once for all texts. Its vectors \
      go under the fingerprint that the cache has, or that {option:embedder} names. Of the variables of the \
      environment it sees none that holds a key or password of ours, {env:OPENAI_API_KEY} among them.
      """)

  static let embedderFile = Option(
    "embedder-file", value: .file(), group: embedders,
    summary: "a file of vectors that were made beforehand",
    details: """
      JSON lines: `{"text":"one question","embedding":[0.1,0.2]}`, or those of an export with `--embeddings array`. \
      They go under the fingerprint that the cache has, or that {option:embedder} names.
      """)

  static let embedderTimeout = Option(
    "embedder-timeout", value: .duration(in: .milliseconds(1)...(.seconds(86_400)), milliseconds: true),
    default: .seconds(60), group: embedders, summary: "how long embedding one batch of texts may take",
    details:
      "Whatever is tried again included: a server that is busy or out of order is asked up to five times.")

  static let embedding = Option(
    "embedding", value: .file(), group: embedders,
    summary: "a file with the query's vector",
    details: "A JSON array of numbers, or raw numbers. It is scaled to length 1.")

  static let noNormalize = Switch(
    "no-normalize", summary: "take the query as it is",
    details: """
      For an application that hashes and embeds queries as they are. Otherwise white space is collapsed and case \
      folded first.
      """)

  static let nativeTTL = Switch(
    "native-ttl", summary: "let Redis itself expire what has a time to live",
    details: """
      Sets `EXPIREAT` on the entry and its `hash:` key. What it leaves in the indexes is swept by {command:vacuum}.
      """)

  static let maxEntries = Option(
    "max-entries", value: .count("N", 1...SemanticCache.largestQuota),
    summary: "the most entries in the whole cache",
    details: """
      Above it the least recently used entries go. A namespace that has a quota of its own is held to that instead.
      """)

  static let batchSize = Option(
    "batch-size", value: .count("N", 1...1000), summary: "how many entries one transaction stores or removes",
    details: """
      If not given, mneme stores 8 entries or removes 16 in one. Other clients of the server wait for each transaction.
      """)

  static let pace = Option(
    "pace", value: .duration(in: .zero...(.seconds(60)), milliseconds: true), default: .zero,
    summary: "a pause between batches, for a busy server",
    details: "Each batch is short by itself: other clients wait a quarter of a millisecond at most.")

  static let dryRun = Switch("dry-run", summary: "say what would be done, and do nothing")

  static let yes = Switch("yes", short: "y", summary: "do not ask")

  static let ttl = Option(
    "ttl", value: .duration(in: .seconds(1)...(.seconds(SemanticCache.longestTTL.rawValue))),
    summary: "for how long the entry lives",
    details: "Without it the entry stays until it is deleted or evicted.")
}

extension ValueKind where Value == Namespace {
  /// The name of a namespace; completed with those that the cache has.
  static var namespace: ValueKind {
    ValueKind(
      placeholder: "NS", completion: .dynamic("namespaces"),
      parse: { text throws(ValueProblem) in
        guard !text.isEmpty else {
          throw ValueProblem("is empty", advice: "a namespace is any text of one character or more")
        }
        return Namespace(unchecked: text)
      },
      format: \.name)
  }
}

extension Seconds {
  /// The whole seconds of a duration.
  init(_ duration: Duration) { self.init(duration.components.seconds) }
}
