import Mneme

/// The reply of a cluster node that another node must run the command.
/// See the Redis Cluster specification, "Redirection and resharding".
enum Redirection: Equatable {
  /// Another node has the slot.
  case moved(Endpoint)
  /// The slot is moving to another node, and the key is there already. Only this command is sent there.
  case asked(Endpoint)
  /// The slot is moving, or has no node at the moment. Try again later.
  case later
  /// The server was the primary and is a replica now, so the Sentinels are asked again.
  case demoted

  /// - Parameter current: the node that replied. It leaves out the host if it is its own.
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
  /// Parses `host:port` as cluster nodes write it: IPv6 without brackets, and without the host if it is the sender's
  /// own.
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

/// The known nodes of a cluster. If one fails, the next is asked.
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

  /// Adds the nodes in the reply to `CLUSTER SLOTS`: ranges of slots, each with its primary and replicas. Each node
  /// begins with host and port. Other elements are skipped.
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
