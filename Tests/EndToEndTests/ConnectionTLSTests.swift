import Foundation
import TestSupport
import Testing

/// Tests of TLS through the command and its options.
@Suite("TLS, through the command", .needs(program: "openssl"))
struct ConnectionTLSTests {
  private static let plain = Result { try TLSServer("server") }
  private static let strict = Result { try TLSServer("server", clientCertificates: "yes") }
  private static let expired = Result { try TLSServer("expired") }
  private static let elsewhere = Result { try TLSServer("elsewhere") }

  private let certificates: Certificates
  private var ca: String { certificates.path("ca.pem") }

  init() throws { certificates = try .shared }

  /// Puts and gets an answer.
  private func expectToWork(
    _ url: String, _ options: [String] = [], environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var mneme = Mneme(url: url, prefix: uniquePrefix("tls"))
    mneme.environment = environment
    try mneme.run(["put", "q", "the answer"] + options).expecting(0)
    let answer = try mneme.run(["get", "q"] + options).expecting(0)
    #expect(answer.outputText == "the answer\n", "\(answer)", sourceLocation: sourceLocation)
  }

  /// Expects that a put and a read are refused with 77 and OpenSSL's reason.
  private func expectRefusal(
    _ url: String, _ options: [String] = [], reason: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let mneme = Mneme(url: url, prefix: uniquePrefix("tls"))
    for words in [["stats"], ["put", "q", "r"]] {
      let complaint = try refusal(status: 77, type: "StoreBackendError", sourceLocation: sourceLocation) {
        try mneme.run(words + options + $0)
      }
      #expect(
        complaint.causes.contains { $0.contains(reason) }, "\(complaint)", sourceLocation: sourceLocation)
    }
  }

  @Test("The right certificate by name and by address, with the authority from option, environment or URL")
  func right() throws {
    let server = try Self.plain.get()
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
      try expectToWork(server.url(host: host), ["--cacert", ca])
    }
    try expectToWork(server.url(), environment: ["MNEME_CACERT": ca])
    try expectToWork(server.url() + "/2?ssl_ca_certs=\(ca)")
    try expectToWork(server.url(), environment: ["SSL_CERT_FILE": ca])
  }

  @Test("An authority that the system does not know is refused; --insecure and ssl_cert_reqs=none accept any")
  func unknownAuthority() throws {
    let url = try Self.plain.get().url()
    try expectRefusal(url, reason: "certificate verify failed")
    try expectRefusal(
      url, ["--cacert", certificates.path("other-ca.pem")], reason: "certificate verify failed")
    try expectToWork(url, ["--insecure"])
    try expectToWork(url + "?ssl_cert_reqs=none")
  }

  @Test("An expired certificate is refused")
  func expired() throws {
    let url = try Self.expired.get().url()
    try expectRefusal(url, ["--cacert", ca], reason: "certificate has expired")
    #expect(try remediation(url).contains("Renew the server's certificate"))
    try expectToWork(url, ["--insecure"])
  }

  /// The advice after a certificate that the test's own authority has signed.
  private func remediation(_ url: String) throws -> String {
    try Complaint(text: Mneme(url: url, prefix: "p").run(["stats", "--cacert", ca]).expecting(77)).remediation
  }

  @Test(
    "A certificate for another host is refused, by name and by address, unless the check of the host is disabled"
  )
  func wrongHost() throws {
    let server = try Self.elsewhere.get()
    try expectRefusal(server.url(), ["--cacert", ca], reason: "hostname mismatch")
    try expectRefusal(server.url(host: "127.0.0.1"), ["--cacert", ca], reason: "IP address mismatch")
    #expect(try remediation(server.url()).contains("a host in the URL that the certificate names"))
    try expectToWork(server.url() + "?ssl_check_hostname=false", ["--cacert", ca])
    try expectToWork(server.url(), ["--insecure"])
    // Only the list of names counts, not the name of the subject.
    let unlisted = try TLSServer("unlisted")
    try expectRefusal(unlisted.url(), ["--cacert", ca], reason: "hostname mismatch")
  }

  @Test(
    "A client certificate that the server requires, from options, environment or URL; without one the status is 77"
  )
  func clientCertificate() throws {
    let url = try Self.strict.get().url()
    let identity = certificates.identity("client")
    try expectToWork(url, ["--cacert", ca, "--cert", identity.certificate, "--key", identity.key])
    try expectToWork(
      url,
      environment: [
        "MNEME_CACERT": ca, "MNEME_CERT": identity.certificate, "MNEME_KEY": identity.key,
      ])
    try expectToWork(
      url + "?ssl_ca_certs=\(ca)&ssl_certfile=\(identity.certificate)&ssl_keyfile=\(identity.key)")
    try expectRefusal(url, ["--cacert", ca], reason: "certificate required")
    let stranger = certificates.identity("other-ca")
    try expectRefusal(
      url, ["--cacert", ca, "--cert", stranger.certificate, "--key", stranger.key], reason: "unknown ca")
  }

  @Test("A file that cannot be used is named, and no pass phrase is asked for")
  func badFiles() throws {
    let url = try Self.plain.get().url()
    let mneme = Mneme(url: url, prefix: "p")
    let certificate = certificates.path("client.pem")
    for (options, file) in [
      (["--cacert", "/nonexistent.pem"], "/nonexistent.pem"),
      (
        ["--cacert", ca, "--cert", certificate, "--key", certificates.path("encrypted.key")], "encrypted.key"
      ),
      (["--cacert", ca, "--cert", certificate, "--key", certificates.path("server.key")], "server.key"),
    ] {
      let complaint = try refusal(status: 66, type: "StoreBackendError") {
        try mneme.run(["stats"] + options + $0)
      }
      #expect(complaint.message.contains(file), "\(complaint)")
    }
  }

  @Test("A server that supports only TLS 1.1 is refused", arguments: ["TLSv1.1", "TLSv1"])
  func oldVersion(version: String) throws {
    let server = try TLSServer(
      "server", configuration: ["tls-protocols \(version)", "tls-ciphers DEFAULT@SECLEVEL=0"])
    let mneme = Mneme(url: server.url(), prefix: "p")
    let complaint = try refusal(status: 69, type: "StoreBackendError") {
      try mneme.run(["stats", "--insecure"] + $0)
    }
    #expect(complaint.causes.contains { $0.contains("protocol version") }, "\(complaint)")
  }

  @Test("A password and a database work over TLS too")
  func password() throws {
    let server = try TLSServer("server")
    try server.server.connect().send("CONFIG", "SET", "requirepass", "s3cret")
    let url = server.url().replacing("rediss://", with: "rediss://:s3cret@") + "/3"
    try expectToWork(url, ["--cacert", ca])
    #expect(
      try server.server.connect().sendAll(["AUTH s3cret", "SELECT 3", "DBSIZE"]).last?.integer ?? 0 > 0)
  }

  @Test("Every command works over TLS")
  func everyCommand() throws {
    let server = try Self.plain.get()
    try expectTourToWork(Mneme(url: server.url(), prefix: uniquePrefix("tour")), options: ["--cacert", ca])
  }

  @Test("OpenSSL is loaded for rediss:// and for nothing else")
  func lazyLoading() throws {
    let silent = try ScriptedProxy(to: RedisServer.shared(), .stall(after: 0))
    func maps(_ program: ChildProcess) throws -> String {
      try String(contentsOfFile: "/proc/\(program.pid)/maps", encoding: .utf8)
    }
    let options = ["stats", "--connect-timeout", "60s"]
    let plain = try Mneme(url: silent.url, prefix: "p").start(options)
    let secure = try Mneme(url: silent.url.replacing("redis:", with: "rediss:"), prefix: "p").start(options)
    try eventually("OpenSSL to be loaded") { try maps(secure).contains("libssl") }
    try eventually("both connections") { silent.conversations.count == 2 }
    #expect(try !maps(plain).contains("libssl"))
    for program in [plain, secure] { program.signal(SIGKILL) }
  }
}

extension RawRedis {
  /// Sends commands of plain words, one after the other.
  fileprivate func sendAll(_ lines: [String]) throws -> [RESPValue] {
    try lines.map { line in try send(line.split(separator: " ").map { Array($0.utf8) }) }
  }
}
