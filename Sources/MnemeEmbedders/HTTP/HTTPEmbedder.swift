import Mneme
import Synchronization

/// An embedder behind HTTP: a server that speaks the OpenAI protocol, or Ollama.
///
/// Texts are sent in batches, one request each. Answers 429 and 5xx, and connections that break off, are retried
/// with growing pauses, or after the time in `Retry-After`, as long as the time limit of the batch allows. If the
/// model gives vectors of the wrong length, the request is repeated with `dimensions`, which all later requests have
/// too.
///
/// An API key is only in the header of the request. Messages and descriptions do not contain it.
public final class HTTPEmbedder: Embedder, CustomStringConvertible {
  public let fingerprint: String
  public let dimension: Int
  private let form: EmbeddingProtocol
  private let model: String
  /// The address of the requests.
  let url: String
  private let client: HTTPClient
  private let received: ReceivedVectors
  private let key: String?
  /// Whether the URL begins with http:// or https://.
  private let isWebAddress: Bool
  /// The error if the settings are not valid.
  private let misconfiguration: EmbedderError?
  private let timeLimit: Duration
  private let retries: RetryPolicy
  private let sendsDimensions: Atomic<Bool>

  /// The most texts of one request, and their bytes. Every server accepts as many, and answers within the time limit.
  static let batchCount = 64
  static let batchBytes = 256 << 10

  init(
    _ form: EmbeddingProtocol, model: String, _ identity: CacheIdentity, url: String, key: String? = nil,
    misconfiguration: EmbedderError? = nil, timeLimit: Duration, retries: RetryPolicy = .init()
  ) {
    fingerprint = identity.fingerprint
    dimension = identity.dimension
    self.form = form
    self.model = model
    self.url = url
    self.key = key
    self.misconfiguration = misconfiguration
    self.timeLimit = timeLimit
    self.retries = retries
    let start = url.prefix(8).lowercased()
    isWebAddress = start.hasPrefix("http://") || start == "https://"
    client = HTTPClient(url: url, headers: key.map { ["Authorization: Bearer \($0)"] } ?? [])
    received = ReceivedVectors(
      source: "The embedding server \(address(of: url))", dimension: identity.dimension)
    let native = form == .openAI ? EmbeddingProtocol.nativeDimension(of: model) : nil
    sendsDimensions = Atomic(native.map { $0 != identity.dimension } ?? false)
  }

  public var description: String { "HTTPEmbedder(\(fingerprint))" }

  public func embed(_ texts: [String]) throws -> [[Float]] {
    if let misconfiguration { throw misconfiguration }
    var vectors: [[Float]] = []
    vectors.reserveCapacity(texts.count)
    for batch in batches(of: texts) {
      do {
        vectors += try embed(batch: Array(texts[batch]))
      } catch var error as EmbedderError {
        error.textIndex = error.textIndex.map { batch.lowerBound + $0 }
        throw error
      }
    }
    return vectors
  }

  private func batches(of texts: [String]) -> [Range<Int>] {
    var batches: [Range<Int>] = []
    var start = 0
    var bytes = 0
    for (index, text) in texts.enumerated() {
      let size = text.utf8.count
      if index > start, index - start == Self.batchCount || bytes + size > Self.batchBytes {
        batches.append(start..<index)
        (start, bytes) = (index, 0)
      }
      bytes += size
    }
    if start < texts.count { batches.append(start..<texts.count) }
    return batches
  }

  /// - Throws: `EmbedderError`, `WaitStopped`.
  private func embed(batch: [String]) throws -> [[Float]] {
    let deadline = Instant.now + timeLimit
    let sent = sendsDimensions.load(ordering: .relaxed)
    do {
      let vectors = try ask(batch, dimensions: sent, deadline)
      let isOtherLength = vectors.first.map { $0.count != dimension } ?? false
      guard isOtherLength, !sent else {
        try received.check(vectors, count: batch.count)
        return vectors
      }
      // A server without `dimensions` returns the same again, or an error that says less than the wrong length.
      if let others = try? ask(batch, dimensions: true, deadline), others.first?.count == dimension {
        try received.check(others, count: batch.count)
        sendsDimensions.store(true, ordering: .relaxed)
        return others
      }
      try received.check(vectors, count: batch.count)
      return vectors
    } catch let refusal as Refusal {
      // The server may refuse one of the texts. Single requests show which one.
      if refusal.mayBeOfOneText, batch.count > 1 {
        for (index, text) in batch.enumerated() {
          do {
            _ = try ask([text], dimensions: sent, Instant.now + timeLimit)
          } catch let other as Refusal where other.mayBeOfOneText {
            var error = other.error
            error.textIndex = index
            throw error
          } catch {
            break
          }
        }
      }
      throw refusal.error
    }
  }

  // MARK: One request

  /// An HTTP status other than success.
  private struct Refusal: Error {
    var error: EmbedderError
    var mayBeOfOneText: Bool
  }

  /// - Throws: `Refusal`, `EmbedderError`, `WaitStopped`.
  private func ask(
    _ texts: [String], dimensions: Bool, _ deadline: Instant
  ) throws -> [[Float]] {
    let request = form.request(texts, model: model, dimensions: dimensions ? dimension : nil)
    var attempt = 0
    while true {
      if StopRequest.hasCome { throw WaitStopped() }
      attempt += 1
      let left = max(.milliseconds(1), Instant.now.duration(to: deadline))
      do {
        let response = try client.post(request, within: left)
        if (200...299).contains(response.status) { return try vectors(in: response.body) }
        let pause = retries.pause(
          after: attempt, asked: response.retryAfter, left: Instant.now.duration(to: deadline))
        guard RetryPolicy.isTemporary(status: response.status), let pause else {
          throw refusal(response, attempt)
        }
        StopRequest.sleep(for: pause)
      } catch let failure as HTTPFailure {
        if failure.reason == .stopped { throw WaitStopped() }
        let pause = retries.pause(
          after: attempt, asked: nil, left: Instant.now.duration(to: deadline))
        guard failure.reason == .dropped, let pause else { throw error(for: failure) }
        StopRequest.sleep(for: pause)
      }
    }
  }

  private func vectors(in body: [UInt8]) throws(EmbedderError) -> [[Float]] {
    let answer: JSONText
    do {
      answer = try JSONText(parsing: body)
    } catch {
      throw EmbedderError(
        "\(received.source) gave an answer that is not JSON: \(error.description) at byte \(error.offset).",
        remedy: .checkEmbeddingURL)
    }
    return try form.vectors(in: answer, received)
  }

  // MARK: Messages

  private func refusal(_ response: HTTPClient.Response, _ attempts: Int) -> Refusal {
    var message = "\(received.source) answered \(response.status)"
    if let words = serverWords(in: response.body) { message += ": \(words)" }
    if let wait = response.retryAfter { message += " (try again after \(wait.components.seconds) s)" }
    if attempts > 1 { message += ", and the same \(attempts) times" }
    var isOfText = false
    let remedy: Remedy
    switch response.status {
    case 300...399: remedy = .followRedirection
    case 401, 403: remedy = .checkKey
    case 404: remedy = .checkModel
    case 429: remedy = .raiseRateLimit
    case 500...599: remedy = .readEmbedderLog
    default:
      remedy = .checkModelAndText
      isOfText = [400, 413, 422].contains(response.status)
    }
    var error = EmbedderError(message + ".", about: .embedder(fingerprint), remedy: remedy)
    error.isTemporary = [429, 503].contains(response.status)
    return Refusal(error: error, mayBeOfOneText: isOfText)
  }

  /// Returns the server's message about the error: `{"error":{"message":…}}` (OpenAI), `{"error":…}` (Ollama),
  /// `{"message":…}` or `{"detail":…}` (others), or else its first bytes. It is one line, and nil if it contains the
  /// key.
  private func serverWords(in body: [UInt8]) -> String? {
    let answer = try? JSONText(parsing: body)
    let error = answer?["error"]
    let said = [error?["message"], error, answer?["message"], answer?["detail"]].lazy.compactMap {
      $0?.string
    }.first
    let words = said ?? String(decoding: body.prefix(1000), as: UTF8.self)
    // Asterisks instead of the key would reveal its length and, for a short key, its place.
    if let key, ArraySlice(words.utf8).firstRange(ofBytes: Array(key.utf8)) != nil {
      return "its words repeat the key, and are not shown"
    }
    let line = words.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    guard !line.isEmpty else { return nil }
    return line.count > 300 ? line.prefix(299) + "…" : line
  }

  /// Converts a failure of HTTP to an error.
  private func error(for failure: HTTPFailure) -> EmbedderError {
    let (what, remedy): (String, Remedy) =
      switch failure.reason {
      case .missingLibrary: ("cannot be asked without libcurl", .installCurl)
      case .otherProtocol where isWebAddress: ("does not speak HTTP", .checkEmbedderPort)
      case .badURL, .otherProtocol: ("has a URL that cannot be used", .rewriteEmbedderURL)
      case .unreachable:
        ("is unreachable", .reachEmbedder)
      case .timedOut:
        ("did not answer within \(timeLimit.formattedSeconds) s", .allowEmbedderMoreTime)
      case .dropped: ("ended the connection without an answer", .readEmbedderLog)
      case .certificate:
        ("could not be asked over TLS", .checkEmbedderCertificate)
      case .tooLarge:
        ("gave an answer of more than 256 MiB", .checkEmbeddingURL)
      case .stopped, .other: ("could not be asked", .checkEmbedderServer)
      }
    return EmbedderError(
      "\(received.source) \(what).", about: .embedder(fingerprint), remedy: remedy, cause: failure)
  }
}

extension Duration {
  /// `60`, `1.5`: with as many decimals as it has milliseconds.
  fileprivate var formattedSeconds: String {
    let milliseconds = components.attoseconds / 1_000_000_000_000_000
    return milliseconds == 0
      ? "\(components.seconds)" : "\(Double(components.seconds) + Double(milliseconds) / 1000)"
  }
}

extension HTTPEmbedder {
  /// - Parameter settings: `openAIBaseURL` and `openAIKey`.
  static func openAI(
    _ model: String, _ identity: CacheIdentity, _ settings: EmbedderSettings
  ) -> HTTPEmbedder {
    // Azure requires a query, such as `?api-version=…`, which belongs after the path.
    let parts = settings.openAIBaseURL.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let base = String(parts[0]).withoutSlashAtEnd
    let query = parts.count > 1 ? "?" + parts[1] : ""
    var problem: EmbedderError?
    if settings.openAIBaseURL.utf8.contains(UInt8(ascii: "#")) {
      problem = EmbedderError(
        "The URL of the embedder '\(identity.fingerprint)' holds a '#', and the part after it is not sent to a server.",
        about: .embedder(identity.fingerprint), remedy: .encodeNumberSign)
    } else if let key = settings.openAIKey, !key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
      problem = EmbedderError(
        "The API key holds a blank, a line break or another character that no key has.",
        about: .embedder(identity.fingerprint), remedy: .rewriteKey)
    } else if settings.openAIKey == nil, base == EmbedderSettings.openAI {
      problem = EmbedderError(
        "There is no API key for \(base).", about: .embedder(identity.fingerprint), remedy: .provideKey)
    }
    return HTTPEmbedder(
      .openAI, model: model, identity, url: base + "/embeddings" + query, key: settings.openAIKey,
      misconfiguration: problem, timeLimit: settings.timeLimit)
  }

  /// - Parameter settings: `ollamaHost`.
  static func ollama(
    _ model: String, _ identity: CacheIdentity, _ settings: EmbedderSettings
  ) -> HTTPEmbedder {
    HTTPEmbedder(
      .ollama, model: model, identity, url: ollamaURL(settings.ollamaHost) + "/api/embed",
      timeLimit: settings.timeLimit)
  }

  /// Makes the URL by Ollama's own rules: without a scheme the default port is 11434.
  static func ollamaURL(_ host: String) -> String {
    let host = host.withoutSlashAtEnd
    // Compares scalars, because Swift joins a slash with a combining accent after it to one character.
    let scalars = host.unicodeScalars
    let authority = scalars.prefix { $0 != "/" }
    let path = scalars[authority.endIndex...]
    // With a scheme it is a URL.
    guard authority.last != ":" || !path.starts(with: "//".unicodeScalars) else { return host }
    // Colons within the brackets of an IPv6 address do not begin a port.
    let afterBracket = authority.lastIndex(of: "]").map { authority[$0...] } ?? authority
    let name = (authority.first ?? ":") == ":" ? "localhost" : ""
    let port = afterBracket.contains(":") ? "" : ":11434"
    return "http://" + name + String(Substring(authority)) + port + String(Substring(path))
  }
}

extension String {
  fileprivate var withoutSlashAtEnd: String { hasSuffix("/") ? String(dropLast()) : self }
}
