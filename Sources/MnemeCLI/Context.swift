import CommandGrammar
import Glibc
import Mneme
import MnemeEmbedders
import MnemeRedis

/// What a command works with: the resolved options of every command, the streams and the clock.
final class Context {
  let settings: GlobalSettings
  let output: Output
  let clock: WallClock
  /// Asked between batches: whether a signal wants the command to end.
  let interrupt: Interrupt

  init(settings: GlobalSettings, output: Output, clock: @escaping WallClock = systemClock) {
    self.settings = settings
    self.output = output
    self.clock = clock
    interrupt = Interrupt()
  }

  /// The store that the options name. Nothing is sent before it is asked something.
  func openStore(nativeTTL: Bool = false) throws -> RedisStore {
    try RedisStore(
      client: RedisClient(url: settings.redisURL(), options: settings.connectionOptions()),
      keyPrefix: settings.keyPrefix, useNativeTTL: nativeTTL)
  }

  /// A store opened for whatever embedder the cache has.
  func openExistingStore() throws -> RedisStore {
    let store = try openStore()
    try store.open(expecting: nil)
    return store
  }

  /// A cache with the embedder that is asked for, or else the one that its fingerprint names.
  func openCache(
    _ store: any Store, embedder spec: String?, options: SemanticCache.Options = .init()
  ) throws -> SemanticCache {
    var options = options
    options.clock = clock
    return try SemanticCache(store: store, options: options) { identity in
      try EmbedderCatalog.embedder(spec: spec, cache: identity)
    }
  }

  /// A note on standard error, unless it is to be quiet.
  func note(_ text: String) {
    if !settings.isQuiet { output.note(text) }
  }

  /// Warns of what is damaged and was passed over, and says what to do about it.
  func warn(of damaged: [CorruptCacheError]) {
    for damage in damaged {
      output.note("mneme: warning: \(visible(damage.message)) \(visible(damage.remediation))")
    }
  }

  /// A note that only `--verbose` wants.
  func remark(_ text: String) {
    if settings.isVerbose { output.note(text) }
  }
}

/// Sleeps; a signal ends it early.
func sleep(for duration: Duration) {
  guard duration > .zero else { return }
  let (seconds, attoseconds) = duration.components
  var span = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
  nanosleep(&span, nil)
}

/// The options of every command, resolved: words, then the environment, then the defaults.
struct GlobalSettings {
  private let invocation: Invocation
  var url: String
  var keyPrefix: String
  var passwordFile: String?
  var asksPassword: Bool
  var environmentPassword: String?
  var tls: TLSOptions
  var connectTimeout: Duration?
  var timeout: Duration?
  var isJSON: Bool
  var isQuiet: Bool
  var isVerbose: Bool
  var color: When
  var progress: When

  init(_ invocation: Invocation, _ environment: Environment) throws(UsageError) {
    self.invocation = invocation
    url = try invocation.resolve(Options.url, environment: environment)
    keyPrefix = try invocation.resolve(Options.keyPrefix, environment: environment)
    passwordFile = invocation[Options.passwordFile]
    asksPassword = invocation[Options.askPassword]
    environmentPassword = ["MNEME_PASSWORD", "REDISCLI_AUTH"].lazy
      .compactMap { environment[$0] }.first { !$0.isEmpty }
    tls = TLSOptions()
    tls.caFile = try invocation.resolve(Options.caCertificate, environment: environment)
    tls.certificateFile = try invocation.resolve(Options.certificate, environment: environment)
    tls.keyFile = try invocation.resolve(Options.key, environment: environment)
    if invocation[Options.insecure] {
      tls.verifiesCertificate = false
      tls.verifiesHostname = false
    }
    // What was not typed is left to the URL, which may say it too.
    connectTimeout = invocation.isGiven(Options.connectTimeout) ? invocation[Options.connectTimeout] : nil
    timeout = invocation.isGiven(Options.timeout) ? invocation[Options.timeout] : nil
    isJSON = invocation[Options.json]
    isQuiet = invocation[Options.quiet]
    isVerbose = invocation[Options.verbose]
    color = invocation[Options.color]
    progress = invocation[Options.progress]
  }

  /// Read only when there is something to connect to.
  /// - Throws: `UsageError` saying which part of the URL is wrong.
  func redisURL() throws -> RedisURL {
    do {
      return try RedisURL(url)
    } catch {
      throw invocation.usageError(
        "the Redis URL cannot be used: \(error)",
        suggestion: "Write it as redis://[[user][:password]@]host[:port][/db], rediss://… or unix:///path.")
    }
  }

  func connectionOptions() throws -> ConnectionOptions {
    var options = ConnectionOptions()
    options.connectTimeout = connectTimeout
    options.commandTimeout = timeout
    options.tls = tls
    if asksPassword {
      options.password = try askForPassword()
    } else if let passwordFile {
      options.password = try firstLine(of: passwordFile)
    } else if let environmentPassword {
      options.password = environmentPassword
    }
    return options
  }
}
