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
      One of `redis://[[user][:password]@]host[:port][/db]`, `rediss://` for the same over TLS, \
      `unix://[[user][:password]@]/path[?db=N]`, and `redis+sentinel://host[:port][,host[:port]...]/service[/db]` for \
      the primary that Sentinels name. `valkey` can be written for `redis`. Parts are percent-decoded, an IPv6 address \
      is put in brackets, and the query parameters are those of redis-py. Prefer {option:password-file} for a \
      password, because other users of the machine can see a command line.
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
      "It overrides {env:MNEME_PASSWORD} and {env:REDISCLI_AUTH}, which override the URL's password.")

  static let askPassword = Switch(
    "askpass", group: connection, summary: "ask for the password on the terminal",
    details: "The password is not shown.")

  static let caCertificate = Option(
    "cacert", value: .file(), environment: ["MNEME_CACERT"], group: connection,
    summary: "a PEM file of the authorities to trust",
    details: "They replace the system's.")

  static let certificate = Option(
    "cert", value: .file(), environment: ["MNEME_CERT"], group: connection,
    summary: "a PEM file of the client certificate")

  static let key = Option(
    "key", value: .file(), environment: ["MNEME_KEY"], group: connection,
    summary: "a PEM file of the key of {option:cert}")

  static let insecure = Switch(
    "insecure", group: connection, summary: "accept any certificate",
    details:
      "Anyone between you and the server can then read and change the data. Use it only for tests.")

  static let connectTimeout = Option(
    "connect-timeout", value: .duration(in: .milliseconds(1)...(.seconds(86_400)), milliseconds: true),
    default: .seconds(5), group: connection, summary: "how long connecting may take")

  static let timeout = Option(
    "timeout", value: .duration(in: .milliseconds(1)...(.seconds(86_400)), milliseconds: true),
    default: .seconds(30), group: connection, summary: "how long mneme waits for each reply",
    details: "The first reply on a connection must come within {option:connect-timeout}.")

  // MARK: Output

  static let json = Switch("json", group: output, summary: "print JSON: one object, errors too")

  static let quiet = Switch(
    "quiet", short: "q", group: output, summary: "print only results and errors",
    details: """
      Suppresses notes and confirmations: a `put` or `vacuum` that succeeds prints nothing. Requested output \
      (`get`, `stats`, {option:json}, `--dry-run`), warnings and errors are still printed.
      """)

  static let verbose = Switch(
    "verbose", short: "v", group: output, summary: "print on standard error what mneme does",
    details: """
      The server and prefix, and where they were set; what was found; the number of round trips. Never a password, \
      a query or a response.
      """)

  static let color = Option(
    "color", value: .choice(When.self, "WHEN"), default: .auto, group: output,
    summary: "use bold type",
    details: "`auto` is on a terminal, unless {env:NO_COLOR} is set or {env:TERM} is `dumb`.")

  static let progress = Option(
    "progress", value: .choice(When.self, "WHEN"), default: .auto, group: output,
    summary: "show the progress of long runs",
    details: "`auto` is on a terminal. Progress is printed on standard error, and removed at the end.")

  /// The options of every command.
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
      If not given, mneme uses the cache's. A new cache gets `mneme:hashed-ngrams-v1:dim384`, which is built in \
      and needs no network and no model. `openai:MODEL:dimN` asks a server that speaks the OpenAI protocol \
      ({env:OPENAI_BASE_URL}, {env:OPENAI_API_KEY}), `ollama:MODEL:dimN` asks Ollama ({env:OLLAMA_HOST}), and \
      `command:NAME:dimN` is for {option:embedder-command}. `none` stores no vectors and allows only exact \
      hits. Every embedder finds some questions similar that have different answers: see mneme-embedders(7) for \
      measured figures, and {command:audit} to find such entries in a cache.
      """)

  static let embedderCommand = Option(
    "embedder-command", value: .text("COMMAND", allowsEmpty: false), group: embedders,
    summary: "a program that makes the vectors",
    details: """
      A shell command. It reads each text as a JSON string on a line of its standard input and writes a JSON array \
      of numbers on a line of its standard output. It is started once for all texts. Its vectors get the \
      fingerprint of the cache, or of {option:embedder}. It does not inherit mneme's secrets \
      ({env:OPENAI_API_KEY}, {env:MNEME_PASSWORD}, {env:REDISCLI_AUTH}).
      """)

  static let embedderFile = Option(
    "embedder-file", value: .file(), group: embedders,
    summary: "a file of vectors that were made beforehand",
    details: """
      JSON lines: `{"text":"one question","embedding":[0.1,0.2]}`, or those of an export with `--embeddings \
      array`. The vectors get the fingerprint of the cache, or of {option:embedder}.
      """)

  static let embedderTimeout = Option(
    "embedder-timeout", value: .duration(in: .milliseconds(1)...(.seconds(86_400)), milliseconds: true),
    default: .seconds(60), group: embedders, summary: "how long embedding one batch of texts may take",
    details:
      "Including retries: a server that is busy or fails is asked up to five times.")

  static let embedding = Option(
    "embedding", value: .file(), group: embedders,
    summary: "a file with the query's vector",
    details: "A JSON array of numbers, or raw numbers. It is scaled to length 1.")

  static let noNormalize = Switch(
    "no-normalize", summary: "do not normalize the query",
    details: """
      For an application that hashes and embeds queries unchanged. Otherwise mneme collapses white space and folds \
      case first.
      """)

  static let nativeTTL = Switch(
    "native-ttl", summary: "let Redis itself expire entries with a time to live",
    details: """
      Sets `EXPIREAT` on the entry and its `hash:` key. {command:vacuum} removes what this leaves in the indexes.
      """)

  static let maxEntries = Option(
    "max-entries", value: .count("N", 1...SemanticCache.largestQuota),
    summary: "the most entries in the whole cache",
    details: """
      If the cache holds more, the least recently used entries are evicted. A namespace with a quota has that \
      limit instead.
      """)

  static let batchSize = Option(
    "batch-size", value: .count("N", 1...1000), summary: "how many entries one transaction stores or removes",
    details: """
      If not given, mneme stores 8 entries or removes 16 in one. Other clients of the server wait for each transaction.
      """)

  static let pace = Option(
    "pace", value: .duration(in: .zero...(.seconds(60)), milliseconds: true), default: .zero,
    summary: "a pause between batches, for a busy server",
    details:
      "You rarely need it: batches are short, and other clients wait a quarter of a millisecond at most.")

  static let dryRun = Switch("dry-run", summary: "show what would be done, and change nothing")

  static let yes = Switch("yes", short: "y", summary: "do not ask for confirmation")

  static let ttl = Option(
    "ttl", value: .duration(in: .seconds(1)...(.seconds(SemanticCache.longestTTL.rawValue))),
    summary: "the time to live of the entry",
    details: "If not given, the entry stays until it is deleted or evicted.")
}

extension ValueKind where Value == Namespace {
  /// The name of a namespace. The completion offers those that the cache has.
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
