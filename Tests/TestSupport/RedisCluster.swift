import Foundation

/// A Redis Cluster of a test's own: three primaries, and on wish a replica of each.
package final class RedisCluster: Sendable {
  package let nodes: [RedisServer]

  package init(replicas: Int = 0) throws {
    nodes = try (0..<3 * (1 + replicas)).map { _ in
      try RedisServer(
        tcp: true,
        configuration: [
          "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 500",
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

  /// A replica of the node that owns the slot of a key.
  package func replica(of key: String) throws -> RedisServer {
    let port = try owner(of: key).port
    for node in nodes {
      let information = try? node.connect().send("INFO", "replication").text
      if information?.contains("role:slave") == true,
        information?.contains("master_port:\(port ?? 0)\r") == true
      {
        return node
      }
    }
    throw TestTimeout("a replica of the node that owns \(key)")
  }
}

/// Waits until something holds, for 20 seconds.
package func eventually(_ what: String, _ condition: () throws -> Bool) throws {
  for _ in 0..<6000 {
    if try condition() { return }
    usleep(10_000)
  }
  throw TestTimeout(what)
}
