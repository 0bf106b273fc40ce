import Mneme

/// A node of a cluster says that it is not the one to run a command.
/// See the Redis Cluster specification, "Redirection and resharding".
enum Redirection: Equatable {
  /// The slot is another node's.
  case moved(Endpoint)
  /// The slot is on its way to another node, and the key has arrived there: this command goes there, this once.
  case asked(Endpoint)
  /// The slot is between two nodes, or has none: it will have one before long.
  case later
  /// The server was a primary and is a replica now: Sentinels name another.
  case demoted

  /// - Parameter current: the node that answered. It leaves the host out where that is its own.
  init?(_ error: ServerError, from current: Endpoint) {
    switch error.code {
    case "MOVED", "ASK":
      // MOVED 3999 127.0.0.1:6381
      guard let target = error.text.split(separator: " ").last,
        let endpoint = Endpoint(clusterNode: target, from: current)
      else { return nil }
      self = error.code == "MOVED" ? .moved(endpoint) : .asked(endpoint)
    case "TRYAGAIN", "CLUSTERDOWN": self = .later
    default: return nil
    }
  }
}

extension Endpoint {
  /// `host:port` as cluster nodes write it: IPv6 without brackets, and no host where it is the sender's own.
  init?(clusterNode text: Substring, from current: Endpoint) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
    else {
      return nil
    }
    self.init(host: String(text[..<colon]), port: port, from: current)
  }

  /// The node at an announced address; nil if the address is unknown and `current` has no host to use instead.
  init?(host: String, port: UInt16, from current: Endpoint) {
    if !host.isEmpty && host != "?" {
      self = .tcp(host: host, port: port)
    } else if case .tcp(let own, _) = current {
      self = .tcp(host: own, port: port)
    } else {
      return nil
    }
  }
}

/// The nodes of a cluster that are known, to ask the next one when one is gone.
struct ClusterNodes {
  private(set) var endpoints: [Endpoint] = []

  init() {}

  /// The primaries in the reply to `CLUSTER SLOTS`.
  init(primariesIn reply: Reply, from current: Endpoint) {
    for range in reply.elements where range.count > 2 { insert(node: range[2], from: current) }
  }

  mutating func insert(_ endpoint: Endpoint) {
    if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
  }

  /// Takes over the nodes in the reply to `CLUSTER SLOTS`: ranges of slots, each with its primary and replicas,
  /// of which each begins with host and port. Anything else is passed over.
  mutating func insert(slots reply: Reply, from current: Endpoint) {
    for range in reply.elements {
      for node in range.elements.dropFirst(2) { insert(node: node, from: current) }
    }
  }

  private mutating func insert(node: Reply, from current: Endpoint) {
    guard node.count >= 2, let port = node[1].integer.flatMap(UInt16.init(exactly:)), port > 0 else { return }
    if let endpoint = Endpoint(host: node[0].string ?? "", port: port, from: current) { insert(endpoint) }
  }
}
