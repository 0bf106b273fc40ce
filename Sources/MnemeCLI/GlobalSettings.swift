import CommandGrammar
import Mneme
import MnemeRedis

/// The resolved options of every command: from the command line, else the environment, else the defaults.
struct GlobalSettings {
  private let invocation: Invocation
  private let urlOrigin: ValueOrigin
  private let prefixOrigin: ValueOrigin
  var url: String
  var keyPrefix: String
  var password: PasswordSource
  var tls: TLSOptions
  var connectTimeout: Duration?
  var timeout: Duration?
  var isJSON: Bool
  var isQuiet: Bool
  var isVerbose: Bool
  /// The user's cache directory, by the XDG Base Directory Specification. A path that is not absolute is ignored. nil
  /// if the environment names none.
  var cacheDirectory: String?

  /// The source of the password.
  enum PasswordSource: Equatable {
    case url
    case file(String)
    case terminal
    case variable(String, text: String)
  }

  init(_ invocation: Invocation, _ environment: Environment) throws(UsageError) {
    self.invocation = invocation
    url = try invocation.resolve(Options.url, environment: environment)
    urlOrigin = invocation.origin(of: Options.url, environment: environment)
    keyPrefix = try invocation.resolve(Options.keyPrefix, environment: environment)
    prefixOrigin = invocation.origin(of: Options.keyPrefix, environment: environment)
    password = PasswordSource(invocation, environment)
    tls = TLSOptions()
    tls.caFile = try invocation.resolve(Options.caCertificate, environment: environment)
    tls.certificateFile = try invocation.resolve(Options.certificate, environment: environment)
    tls.keyFile = try invocation.resolve(Options.key, environment: environment)
    if invocation[Options.insecure] {
      tls.verifiesCertificate = false
      tls.verifiesHostname = false
    }
    // A time limit that is not given is left to the URL, which may have one.
    connectTimeout = invocation.isGiven(Options.connectTimeout) ? invocation[Options.connectTimeout] : nil
    timeout = invocation.isGiven(Options.timeout) ? invocation[Options.timeout] : nil
    isJSON = invocation[Options.json]
    isQuiet = invocation[Options.quiet]
    isVerbose = invocation[Options.verbose]
    let places = [
      environment["XDG_CACHE_HOME"], environment["HOME"].flatMap { $0.isEmpty ? nil : $0 + "/.cache" },
    ]
    cacheDirectory = places.compactMap(\.self).first { $0.hasPrefix("/") }
  }

  /// Parses the URL. It is called only by commands that connect, so help works with a wrong URL.
  /// - Throws: `UsageError` with the part of the URL that is wrong, and the source of the URL.
  func redisURL() throws -> RedisURL {
    do {
      return try RedisURL(url)
    } catch {
      throw invocation.usageError(
        "the Redis URL\(urlOrigin == .commandLine ? "" : " (\(urlOrigin.text))") cannot be used: \(error)",
        suggestion: (error.suggestion.map { "Did you mean '\($0)'? " } ?? "")
          + "Write it as redis://[[user][:password]@]host[:port][/db], rediss://..., unix:///path or "
          + "redis+sentinel://host:port,host:port/service.")
    }
  }

  /// Checks that the command can ask, unless `--yes` or `--dry-run` makes that needless.
  /// - Parameter asks: the words after the name of the command in the message.
  func checkTerminal(_ asks: String = "asks for confirmation") throws(UsageError) {
    guard invocation[Options.yes] || invocation[Options.dryRun] || isInteractive() else {
      throw invocation.usageError(
        "\(invocation.command.name) \(asks), and there is no terminal to ask on",
        suggestion: "Add --yes if that is what you want.")
    }
  }

  /// - Parameter warn: called with a warning if other users can read the file with the password or the key.
  /// - Throws: `FileError` if the password cannot be read.
  func connectionOptions(for url: RedisURL, warn: (String) -> Void = { _ in }) throws -> ConnectionOptions {
    var options = ConnectionOptions()
    options.connectTimeout = connectTimeout
    options.commandTimeout = timeout
    options.tls = tls
    if url.usesTLS, let key = tls.overriding(url.tls).privateKeyFile, InputFile.isReadableByOthers(key) {
      warn("the key file '\(key)' can be read by other users; run 'chmod 600' on it.")
    }
    switch password {
    case .url: break
    case .file(let path): options.password = try readPassword(from: path, warn: warn)
    case .terminal: options.password = try askForPassword()
    case .variable(let name, let text):
      if text.endsInNewline { warn(GlobalSettings.newline(at: name, "password")) }
      options.password = text
    }
    return options
  }

  /// A warning if the prefix from the environment looks wrong.
  var prefixWarning: String? {
    guard case .variable(let name) = prefixOrigin, keyPrefix.endsInNewline else { return nil }
    return GlobalSettings.newline(at: name, "prefix")
  }

  private static func newline(at variable: String, _ what: String) -> String {
    "the variable \(variable) ends in a line break, which is taken as a part of the \(what). Set it without one, as "
      + "with \(variable)=\"$(cat FILE)\"."
  }

  /// Whether connecting needs a password or a private key.
  func hasSecret(for url: RedisURL) -> Bool {
    password != .url || url.hasPassword || tls.overriding(url.tls).privateKeyFile != nil
  }

  /// Whether the password is sent to a server whose certificate is not verified.
  func sendsPasswordToAnyone(_ url: RedisURL) -> Bool {
    url.usesTLS && tls.overriding(url.tls).verifiesCertificate == false
      && (password != .url || url.hasPassword)
  }

  /// The message if the cache does not exist.
  var absence: String { "there is no cache under the prefix '\(keyPrefix)' on \(server ?? "the server")" }

  /// The server as messages name it, without its password; nil if the URL is not valid.
  var server: String? { (try? RedisURL(url))?.description }

  /// Describes server and prefix and the source of each; of the password only the source.
  func whereabouts(_ url: RedisURL) -> String {
    let password: String? =
      switch password {
      case .url: url.hasPassword ? "password from the URL" : nil
      case .file(let path): "password from the file '\(path)'"
      case .terminal: "password asked for"
      case .variable(let name, _): "password from \(name)"
      }
    return list([
      "server \(url) (\(urlOrigin.text))", "key prefix '\(keyPrefix)' (\(prefixOrigin.text))", password,
    ])
  }
}

extension GlobalSettings.PasswordSource {
  /// Chooses the first source that is given. The password in the URL comes last.
  init(_ invocation: Invocation, _ environment: Environment) {
    if invocation[Options.askPassword] {
      self = .terminal
    } else if let path = invocation[Options.passwordFile] {
      self = .file(path)
    } else {
      let variables = ["MNEME_PASSWORD", "REDISCLI_AUTH"].lazy.compactMap { name in
        environment[name].flatMap { $0.isEmpty ? nil : Self.variable(name, text: $0) }
      }
      self = variables.first ?? .url
    }
  }
}

extension ValueOrigin {
  /// The source of a value, for messages.
  fileprivate var text: String {
    switch self {
    case .commandLine: "as typed"
    case .variable(let name): "from \(name)"
    case .default: "the default"
    }
  }
}

extension String {
  fileprivate var endsInNewline: Bool { utf8.last == 0x0A || utf8.last == 0x0D }
}
