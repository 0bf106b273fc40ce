import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("TLS", .needs(program: "openssl"), .serialized)
struct TLSTests {
  private static let plain = Result { try TLSServer("server") }
  private func client(_ url: String, ca: String? = "ca.pem", _ change: (inout TLSOptions) -> Void = { _ in })
    throws
    -> RedisClient
  {
    let certificates = try Certificates.shared
    return try RedisClient(url) {
      $0.tls.caFile = ca.map(certificates.path)
      change(&$0.tls)
    }
  }

  @Test(
    "A server with the right certificate works, by name and by address",
    arguments: ["localhost", "127.0.0.1"])
  func right(host: String) throws {
    let client = try client(Self.plain.get().url(host: host))
    try client.tell("SET", "k", "v")
    #expect(try client.ask("GET", "k").string == "v")
  }

  @Test("The authority can be in the URL")
  func authorityInURL() throws {
    let ca = try Certificates.shared.path("ca.pem")
    let client = try RedisClient(Self.plain.get().url() + "?ssl_ca_certs=\(ca)")
    #expect(try client.ask("PING").string == "PONG")
  }

  @Test("Megabytes are transferred unchanged, in both directions at the same time")
  func bulk() throws {
    let client = try client(Self.plain.get().url())
    let value = [UInt8](repeating: 0x78, count: 3_000_000)
    var commands = Pipeline()
    for _ in 0..<2 {
      commands.append("SET", "bulk", value)
      commands.append("GET", "bulk")
    }
    let replies = try client.write(commands)
    #expect(replies.count == 4)
    #expect(stride(from: 1, to: 4, by: 2).allSatisfy { replies[$0].withBytes { $0.count } == value.count })
  }

  @Test("An authority that the system does not know is refused, with OpenSSL's reason")
  func unknownAuthority() throws {
    let url = try Self.plain.get().url()
    expectFailure(.certificate, url, "certificate verify failed", "certificate chain") {
      _ = try client(url, ca: nil).ask("PING")
    }
    expectFailure(.certificate, "certificate verify failed") {
      _ = try client(url, ca: "other-ca.pem").ask("PING")
    }
  }

  @Test("An expired certificate is refused")
  func expired() throws {
    let server = try TLSServer("expired")
    expectFailure(.certificate, "certificate has expired") { _ = try client(server.url()).ask("PING") }
    let lax = try client(server.url()) { $0.verifiesCertificate = false }
    #expect(try lax.ask("PING").string == "PONG")
  }

  @Test("A certificate for another host is refused, unless the check of the host is disabled")
  func wrongHost() throws {
    let server = try TLSServer("elsewhere")
    expectFailure(.certificate, "hostname mismatch") { _ = try client(server.url()).ask("PING") }
    expectFailure(.certificate, "IP address mismatch") {
      _ = try client(server.url(host: "127.0.0.1")).ask("PING")
    }
    #expect(try client(server.url() + "?ssl_check_hostname=false").ask("PING").string == "PONG")
    #expect(try client(server.url(), ca: nil) { $0.verifiesCertificate = false }.ask("PING").string == "PONG")
    #expect(try client(server.url() + "?ssl_cert_reqs=none", ca: nil).ask("PING").string == "PONG")
    expectFailure(.certificate, "verify failed") {
      _ = try client(server.url() + "?ssl_check_hostname=false", ca: "other-ca.pem").ask("PING")
    }
  }

  @Test(
    "A client certificate that the server requires is sent; without one, or with another one, mneme is refused",
    arguments: ["TLSv1.2", "TLSv1.3"])
  func clientCertificate(version: String) throws {
    let server = try TLSServer(
      "server", clientCertificates: "yes", configuration: ["tls-protocols \(version)"])
    let url = server.url()
    let identity = try Certificates.shared.identity("client")
    let known = try client(url) {
      $0.certificateFile = identity.certificate
      $0.keyFile = identity.key
    }
    #expect(try known.ask("PING").string == "PONG")
    expectFailure(.certificate, "client certificate") { _ = try client(url).ask("PING") }
    expectFailure(.certificate, "client certificate") { try client(url).tell("SET", "k", "v") }
    let stranger = try Certificates.shared.identity("other-ca")
    expectFailure(.certificate, "unknown ca") {
      let unknown = try client(url) {
        $0.certificateFile = stranger.certificate
        $0.keyFile = stranger.key
      }
      _ = try unknown.ask("PING")
    }
  }

  @Test("A file that cannot be used is named, and the pass phrase of a key is never asked for")
  func badFiles() throws {
    let url = try Self.plain.get().url()
    let certificates = try Certificates.shared
    let identity = certificates.identity("client")
    expectFailure(.unusableFile, "no-such-file", "No such file") {
      _ = try client(url, ca: "no-such-file").ask("PING")
    }
    for key in [
      certificates.path("encrypted.key"), certificates.path("server.key"), certificates.path("ca.pem"),
    ] {
      expectFailure(.unusableFile, key) {
        let client = try client(url) {
          $0.certificateFile = identity.certificate
          $0.keyFile = key
        }
        _ = try client.ask("PING")
      }
    }
  }

  @Test("TLS on a plain port, and the reverse, are recognized as not a dead server")
  func mixedUp() throws {
    let plain = try RedisServer(tcp: true)
    // Redis before 8 is silent, and later ones answer a TLS handshake with an error in their own protocol.
    let silence = #expect(throws: StoreBackendError.self) {
      try RedisClient("rediss://127.0.0.1:\(plain.port!)", connect: .milliseconds(300)).ask("PING")
    }
    #expect([.timedOut, .protocolViolation].contains(silence?.reason), "\(String(describing: silence))")
    #expect(silence?.remedy.description.contains("redis://") == true, "\(String(describing: silence))")
    let port = try Self.plain.get().port
    let error = #expect(throws: StoreBackendError.self) {
      try RedisClient("redis://localhost:\(port)").ask("PING")
    }
    #expect(error?.remedy.description.contains("rediss://") == true, "\(String(describing: error?.message))")
  }

  @Test("A connection that the server closed while idle is made again")
  func reconnects() throws {
    let server = try TLSServer("server")
    let client = try client(server.url())
    try client.tell("SET", "k", "1")
    try server.server.connect().send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try client.tell("INCR", "k")
    #expect(try client.ask("GET", "k").integer == 2)
  }

  @Test("A TLS stream that is cut off or stalls anywhere is an error within the time limit")
  func broken() throws {
    let target = try Self.plain.get().port
    for (limit, stalls) in Effort.some((0..<40).map { ($0 * 70, false) }, every: 4) + [
      (0, true), (50, true), (900, true), (1500, true),
    ] {
      let proxy = try ScriptedServer { peer, _ in
        try peer.forward(toPort: target, limit: limit, stalls: stalls)
      }
      // A cut shows without any wait.
      let wait: Duration = stalls ? .milliseconds(400) : .seconds(30)
      let client = try RedisClient(
        proxy.url.replacing("redis:", with: "rediss:"), connect: wait, command: wait
      ) { $0.tls.caFile = try? Certificates.shared.path("ca.pem") }
      let error = #expect(throws: StoreBackendError.self) {
        for _ in 0..<200 { _ = try client.ask("INFO", "all") }
      }
      let expected: Set<StoreBackendError.Reason> = stalls ? [.timedOut] : [.unreachable, .connectionLost]
      #expect(error.map { expected.contains($0.reason) } == true, "\(limit): \(String(describing: error))")
    }
  }
}
