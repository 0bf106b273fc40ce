import CommandGrammar
import Mneme
import MnemeEmbedders

/// The choice of an embedder by the options.
struct EmbedderChoice {
  /// The options that choose the embedder, for the commands that embed texts.
  static let options: [any OptionDeclaration] = [
    Options.embedder, Options.embedderCommand, Options.embedderFile, Options.embedderTimeout,
  ]
  static let rule = Rule.atMostOne(of: Options.embedderCommand, Options.embedderFile)

  /// The fingerprint; nil for that of the cache.
  var spec: String?
  var command: String?
  var file: String?
  var timeLimit = Duration.seconds(60)

  /// The cache's embedder, for a command that embeds nothing.
  init() {}

  init(_ invocation: Invocation) {
    spec = invocation[Options.embedder]
    command = invocation[Options.embedderCommand]
    file = invocation[Options.embedderFile]
    timeLimit = invocation[Options.embedderTimeout]
  }

  /// Returns the embedder for a cache. `identity` is nil if the cache does not exist yet.
  /// - Parameter fingerprint: the embedder to use if neither the user nor the cache names one.
  func embedder(
    for cache: CacheIdentity?, orElse fingerprint: String? = nil, _ environment: Environment
  ) throws -> any Embedder {
    let spec = spec ?? (cache == nil ? fingerprint : nil)
    if let file { return try precomputed(in: file, spec: spec, cache: cache) }
    var settings = EmbedderSettings(environment)
    if let command {
      settings.command = command
      settings.commandEnvironment = withoutSecrets(environment.all)
    }
    settings.timeLimit = timeLimit
    return try EmbedderCatalog.embedder(spec: spec, cache: cache, settings: settings)
  }

  private func precomputed(
    in path: String, spec: String?, cache: CacheIdentity?
  ) throws -> PrecomputedEmbedder {
    let identity = try EmbedderCatalog.identity(spec: spec, cache: cache, takesForeignVectors: true)
    let file = try InputFile(path)
    var embedder = PrecomputedEmbedder(
      fingerprint: identity.fingerprint, dimension: identity.dimension, source: "The file '\(path)'")
    var lines = LineReader(file, limit: 48 << 20)
    while let line = try lines.next() {
      guard line.contains(where: { $0 > 0x20 }) else { continue }
      do {
        try embedder.add(line: Array(line))
      } catch {
        throw LineError(line: lines.number, source: file.name, underlying: error, state: "")
      }
    }
    return embedder
  }
}

extension EmbedderSettings {
  /// The settings of `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OLLAMA_HOST`. An empty variable counts as not set.
  init(_ environment: Environment) {
    self.init()
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    if let url = value("OPENAI_BASE_URL") { openAIBaseURL = url }
    openAIKey = value("OPENAI_API_KEY")
    if let host = value("OLLAMA_HOST") { ollamaHost = host }
  }
}
