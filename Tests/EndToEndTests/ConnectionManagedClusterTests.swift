import Foundation
import TestSupport
import Testing

/// Tests of a cluster as managed services offer it: TLS on every node, a password, and no plain port.
@Suite("A managed cluster", .needs(program: "redis-cli"), .needs(program: "openssl"))
struct ConnectionManagedClusterTests {
  /// Three nodes that speak TLS to clients and to each other.
  private func makeCluster(password: String) throws -> [TLSServer] {
    let nodes = try (0..<3).map { _ in
      try TLSServer(
        "server",
        configuration: [
          "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 15000",
          "tls-cluster yes", "tls-replication yes",
        ])
    }
    let ca = try Certificates.shared.path("ca.pem")
    let addresses = nodes.map { "127.0.0.1:\($0.port)" }
    try ChildProcess(
      ["redis-cli", "--tls", "--cacert", ca, "--cluster", "create"] + addresses + ["--cluster-yes"]
    ).finish().expecting(0)
    for node in nodes {
      try eventually("the cluster to be whole") {
        try node.server.connect().send("CLUSTER", "INFO").text?.contains("cluster_state:ok") == true
      }
      try node.server.connect().send("CONFIG", "SET", "requirepass", password)
    }
    return nodes
  }

  @Test(
    "Every command works over TLS with a password through any node, and the certificate of each is verified")
  func everyNode() throws {
    let nodes = try makeCluster(password: "s3cret")
    let ca = try Certificates.shared.path("ca.pem")
    let urls = nodes.map { "rediss://:s3cret@localhost:\($0.port)" }
    let mneme = Mneme(url: urls[0], prefix: "{\(uniquePrefix("managed"))}")
    try expectTourToWork(mneme, options: ["--cacert", ca], urls: urls, other: "{\(uniquePrefix("other"))}")
    for url in urls {
      let complaint = try refusal(status: 77) { try Mneme(url: url, prefix: "{p}").run(["stats"] + $0) }
      #expect(complaint.causes.contains { $0.contains("certificate verify failed") }, "\(complaint)")
    }
  }
}
