import Mneme
import MnemeRedis

@testable import MnemeCLI
@testable import MnemeEmbedders
@testable import MnemeRedis

extension Target {
  /// Addresses: a URL that is read and spelled out again is the same, no description and no error shows a password, and
  /// what is erased from the command line leaves none in it. The addresses of embedders are shown without credentials.
  static let urls = Target(
    name: "urls",
    words: [
      "redis://", "rediss://", "unix://", "://", "[::1]", ":6379", "@", "%40", "%2F", "?db=1", "username=",
      "password=", "client_name=", "socket_timeout=", "socket_connect_timeout=", "ssl_cert_reqs=none",
      "ssl_ca_certs=", "ssl_certfile=", "ssl_keyfile=", "ssl_check_hostname=no", "http://", "localhost",
      "pass%77ord=", "%C3%A9", "\u{E9}", "1e-9", "0x1p3",
    ]
  ) { input in
    let bytes = input.remainder()
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    examine(redis: text)
    examine(embedder: text)
  }
}

private func examine(redis text: String) {
  let url: RedisURL
  do {
    url = try RedisURL(text)
  } catch {
    expectOneLine(error.description)
    return
  }
  expectOneLine(url.description)
  let spelled = url.spelledOut
  expect((try? RedisURL(spelled)) == url, "\(url) is not '\(spelled)' again")

  // Neither in the list of processes nor in a message that repeats what was typed. (What is left without the password
  // may read as a URL with another, of words that were none.)
  guard let password = url.password, !password.text.allSatisfy({ $0 == "*" }) else { return }
  var erased = Array(text.utf8)
  for range in passwordRanges(in: erased) { for place in range { erased[place] = UInt8(ascii: "*") } }
  let message = TypedPasswords(in: [Array(text.utf8)]).masked(in: text)
  for left in [String(decoding: erased, as: UTF8.self), message] {
    expect((try? RedisURL(left))?.password != password, "the password shows in '\(left)'")
  }
}

extension RedisURL {
  /// A URL that says the same, everything that can be escaped escaped.
  fileprivate var spelledOut: String {
    func escaped(_ text: String) -> String {
      text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    var parameters: [(String, String)] = [("db", String(database))]
    if let clientName { parameters.append(("client_name", clientName)) }
    if let commandTimeout { parameters.append(("socket_timeout", commandTimeout.spelledOut)) }
    if let connectTimeout { parameters.append(("socket_connect_timeout", connectTimeout.spelledOut)) }
    if let verifies = tls.verifiesCertificate {
      parameters.append(("ssl_cert_reqs", verifies ? "required" : "none"))
    }
    if let verifies = tls.verifiesHostname {
      parameters.append(("ssl_check_hostname", verifies ? "1" : "0"))
    }
    if let file = tls.caFile { parameters.append(("ssl_ca_certs", file)) }
    if let file = tls.certificateFile { parameters.append(("ssl_certfile", file)) }
    if let file = tls.keyFile { parameters.append(("ssl_keyfile", file)) }
    if let username { parameters.append(("username", username)) }
    if let password { parameters.append(("password", password.text)) }
    let query = "?" + parameters.map { "\($0)=\(escaped($1))" }.joined(separator: "&")
    switch endpoint {
    case .unix(let path): return "unix://\(escaped(path).replacing("%2f", with: "/"))\(query)"
    case .tcp(let host, let port):
      let host =
        host.utf8.contains(UInt8(ascii: ":"))
        ? "[\(escaped(host).replacing("%3a", with: ":"))]" : escaped(host)
      return "\(usesTLS ? "rediss" : "redis")://\(host):\(port)\(query)"
    }
  }
}

extension Duration {
  /// Seconds, as exactly as a double has them.
  fileprivate var spelledOut: String {
    "\(Double(components.seconds) + Double(components.attoseconds) * 1e-18)"
  }
}

private func examine(embedder text: String) {
  // Whatever a password and a key are made of.
  let password = String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "@" }))
  let shown = address(of: "https://user:p\(password)@host/v1?key=\(text)")
  expect(shown == "https://host/v1" || shown == "https://***", "\(shown) for \(password)")
  let url = HTTPEmbedder.ollamaURL(text)
  expect(url.utf8.contains("://".utf8), "\(url) has no scheme")
  if text.first(where: { "/?#".contains($0) }) == nil {
    expect(areSame(HTTPEmbedder.ollamaURL(url), url), "\(url) is another one")
  }
  if let dimension = EmbedderCatalog.dimension(in: text) {
    expect(text.utf8.reversed().starts(with: ":dim\(dimension)".utf8.reversed()), "\(text) has \(dimension)")
    if let service = Service(fingerprint: text), case .openAI(let model) = service {
      expect(text.utf8.starts(with: "openai:\(model):dim".utf8), text)
    }
  }
}
