import Foundation

/// A Redis Cluster of a test's own: three primaries, and on wish a replica of each.
package final class RedisCluster: Sendable {
  package let nodes: [RedisServer]

  /// - Parameter nodeTimeout: the milliseconds after which a node that is silent counts as failed, once the cluster is
  ///   whole. Short only where a node is crashed: on a busy machine a node may get no processor for seconds.
  package init(replicas: Int = 0, nodeTimeout: Int = 15_000) throws {
    nodes = try (0..<3 * (1 + replicas)).map { _ in
      try RedisServer(
        tcp: true,
        configuration: [
          "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 15000",
          "repl-diskless-sync-delay 0", "cluster-replica-validity-factor 0",
        ])
    }
    let addresses = nodes.map { "127.0.0.1:\($0.port!)" }
    try ChildProcess(
      ["redis-cli", "--cluster", "create"] + addresses + [
        "--cluster-replicas", "\(replicas)", "--cluster-yes",
      ]
    ).finish().expecting(0)
    try settle()
    for node in nodes {
      try node.connect().send("CONFIG", "SET", "cluster-node-timeout", "\(nodeTimeout)")
    }
  }

  /// Waits until every node knows that the cluster is whole.
  private func settle() throws {
    for node in nodes {
      try eventually("the cluster to be whole") {
        try node.connect().send("CLUSTER", "INFO").text?.contains("cluster_state:ok") == true
      }
    }
  }

  package func url(_ node: Int) -> String { nodes[node].tcpURL }

  /// The node that owns the slot of a key.
  package func owner(of key: String) throws -> RedisServer {
    for node in nodes {
      if (try? node.connect().send("GET", key)) != nil { return node }
    }
    throw TestTimeout("a node that owns \(key)")
  }

  /// A replica of the node that owns the slot of a key. Waits for it, since after a failover the old primary becomes
  /// one only when it learns of the new one.
  package func replica(of key: String) throws -> RedisServer {
    var found: RedisServer?
    try eventually("a replica of the node that owns \(key)") {
      guard let port = try? owner(of: key).port else { return false }
      found = nodes.first { node in
        let information = try? node.connect().send("INFO", "replication").text
        return information?.contains("role:slave") == true
          && information?.contains("master_port:\(port)\r") == true
      }
      return found != nil
    }
    return found!
  }
}
