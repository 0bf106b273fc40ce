/// How embedders that talk to something outside are reached.
///
/// The description shows no key.
public struct EmbedderSettings: Sendable, CustomStringConvertible {
  /// Where a server speaks the OpenAI protocol: requests go to `/embeddings` below it.
  public var openAIBaseURL = openAI
  /// Sent as a bearer token; nil sends none, as servers of one's own want it.
  public var openAIKey: String?
  /// Where Ollama answers, in one of the forms that Ollama's own client takes: `host`, `host:port`, a URL.
  public var ollamaHost = "http://localhost:11434"
  /// A program that makes vectors, as `sh` runs it; see `CommandEmbedder`.
  public var command: String?
  /// The environment of that program.
  public var commandEnvironment: [String: String] = [:]
  /// How long embedding one batch may take, everything that is tried again included.
  public var timeLimit = Duration.seconds(60)

  /// The servers of OpenAI itself.
  static let openAI = "https://api.openai.com/v1"

  /// What nothing else is said about.
  public init() {}

  /// What the variables `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OLLAMA_HOST` say; one that is empty says nothing.
  /// - Parameter variable: looks one up.
  public init(variable: (String) -> String?) {
    func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
    if let url = value("OPENAI_BASE_URL") { openAIBaseURL = url }
    openAIKey = value("OPENAI_API_KEY")
    if let host = value("OLLAMA_HOST") { ollamaHost = host }
  }

  /// What a program that makes vectors may see of an environment: it has no need of our keys and passwords.
  public static func withoutSecrets(_ environment: [String: String]) -> [String: String] {
    environment.filter { variable in
      !secretVariables.contains(variable.key) && !urlVariables.contains(variable.key)
        // A user and a password may stand in these, before an '@'.
        && !(serverVariables.contains(variable.key) && variable.value.utf8.contains(UInt8(ascii: "@")))
    }
  }

  /// Variables that hold the address of a server of embeddings.
  private static let serverVariables = ["OPENAI_BASE_URL", "OLLAMA_HOST"]
  /// Variables that hold a key or a password.
  public static let secretVariables = ["OPENAI_API_KEY", "MNEME_PASSWORD", "REDISCLI_AUTH"]
  /// Variables that hold a URL, in which a password may stand.
  public static let urlVariables = ["MNEME_URL", "REDIS_URL"]

  public var description: String {
    "EmbedderSettings(openAI: \(address(of: openAIBaseURL)), ollama: \(address(of: ollamaHost)))"
  }
}
