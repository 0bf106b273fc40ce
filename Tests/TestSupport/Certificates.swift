import Foundation

/// A throw-away authority and what it has signed, made by the openssl command once for all tests.
package final class Certificates: Sendable {
  private let directory: TemporaryDirectory

  package static var shared: Certificates { get throws { try common.get() } }
  private static let common = Result { try Certificates() }

  /// A certificate and its key.
  package struct Identity: Sendable {
    package let certificate: String
    package let key: String
  }

  private init() throws {
    directory = try TemporaryDirectory()
    for authority in ["ca", "other-ca"] {
      try openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /CN=\(authority)"
          + " -keyout \(authority).key -out \(authority).pem")
    }
    try sign("server", names: "DNS:localhost,IP:127.0.0.1,IP:::1")
    try sign("elsewhere", names: "DNS:elsewhere.example,IP:192.0.2.1")
    // Its name is in the subject alone.
    try sign("unlisted", subject: "localhost", names: "email:somebody@example.org")
    // OpenSSL 3.5 refuses a certificate that ends before it begins. This one ends with the second in which it begins.
    try sign("expired", names: "DNS:localhost,IP:127.0.0.1", days: 0)
    try sign("client", names: "DNS:client")
    try openssl("ec -in client.key -out encrypted.key -aes128 -passout pass:secret")
    while try isValid("expired") { usleep(100_000) }
  }

  private func sign(_ name: String, subject: String? = nil, names: String, days: Int = 2) throws {
    try Data("subjectAltName=\(names)\n".utf8).write(to: URL(filePath: path("\(name).ext")))
    try openssl(
      "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=\(subject ?? name) -keyout \(name).key"
        + " -out \(name).csr")
    try openssl(
      "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -days \(days)"
        + " -extfile \(name).ext -out \(name).pem")
  }

  private func isValid(_ name: String) throws -> Bool {
    let words = ["openssl", "verify", "-CAfile", "ca.pem", "\(name).pem"]
    return try ChildProcess(words, directory: directory.path).finish().status == 0
  }

  private func openssl(_ arguments: String) throws {
    let words = ["openssl"] + arguments.split(separator: " ").map(String.init)
    try ChildProcess(words, directory: directory.path).finish().expecting(0)
  }

  package func path(_ name: String) -> String { directory.path(name) }

  package func identity(_ name: String) -> Identity {
    Identity(certificate: path("\(name).pem"), key: path("\(name).key"))
  }
}

/// A redis-server that speaks TLS on its TCP port.
package struct TLSServer: Sendable {
  package let server: RedisServer
  package var port: Int { server.port! }

  package init(_ identity: String, clientCertificates: String = "no", configuration: [String] = []) throws {
    let certificates = try Certificates.shared
    let identity = certificates.identity(identity)
    server = try RedisServer(
      tls: true,
      configuration: [
        "tls-cert-file \(identity.certificate)", "tls-key-file \(identity.key)",
        "tls-ca-cert-file \(certificates.path("ca.pem"))", "tls-auth-clients \(clientCertificates)",
      ] + configuration)
  }

  package func url(host: String = "localhost") -> String { "rediss://\(host):\(port)" }
}
