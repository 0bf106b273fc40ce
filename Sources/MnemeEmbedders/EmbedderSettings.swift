/// How embedders that talk to something outside are reached.
///
/// The description shows no key.
public struct EmbedderSettings: Sendable, CustomStringConvertible {
  /// Where a server speaks the OpenAI protocol: requests go to `/embeddings` below it.
  public var openAIBaseURL = openAI
  /// Sent as a bearer token; nil sends none, as servers of one's own want it.
  public var openAIKey: String?
  /// The address of Ollama, in one of the forms that Ollama's own client takes: `host`, `host:port`, a URL.
  public var ollamaHost = "http://localhost:11434"
  /// A program that makes vectors, as `sh` runs it; see `CommandEmbedder`.
  public var command: String?
  /// The environment of that program.
  public var commandEnvironment: [String: String] = [:]
  /// How long embedding one batch may take, everything that is tried again included.
  public var timeLimit = Duration.seconds(60)

  /// The servers of OpenAI itself.
  static let openAI = "https://api.openai.com/v1"

  /// Settings for the servers of OpenAI and for Ollama on this machine, without a key.
  public init() {}

  public var description: String {
    "EmbedderSettings(openAI: \(address(of: openAIBaseURL)), ollama: \(address(of: ollamaHost)))"
  }
}
