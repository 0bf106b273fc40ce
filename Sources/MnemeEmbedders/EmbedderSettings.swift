/// Settings of embedders that talk to a server or a program.
///
/// The description shows no key.
public struct EmbedderSettings: Sendable, CustomStringConvertible {
  /// The URL of a server that speaks the OpenAI protocol. Requests go to `/embeddings` below it.
  public var openAIBaseURL = openAI
  /// The key, which is sent as a bearer token; nil to send none, as for servers of your own.
  public var openAIKey: String?
  /// The address of Ollama, in one of the forms that Ollama's own client takes: `host`, `host:port`, a URL.
  public var ollamaHost = "http://localhost:11434"
  /// A program that makes vectors, as `sh` runs it; see `CommandEmbedder`.
  public var command: String?
  /// The environment of that program.
  public var commandEnvironment: [String: String] = [:]
  /// The time limit for embedding one batch, including retries.
  public var timeLimit = Duration.seconds(60)

  /// The servers of OpenAI itself.
  static let openAI = "https://api.openai.com/v1"

  /// Settings for the servers of OpenAI and for Ollama on this machine, without a key.
  public init() {}

  /// The addresses, without a password and without the key.
  public var description: String {
    "EmbedderSettings(openAI: \(address(of: openAIBaseURL)), ollama: \(address(of: ollamaHost)))"
  }
}
