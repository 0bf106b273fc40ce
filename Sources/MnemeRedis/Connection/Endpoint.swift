import Glibc

/// The address at which a server listens.
public enum Endpoint: Sendable, Hashable {
  /// A host name or a numeric address (IPv6 without brackets), and a port.
  case tcp(host: String, port: UInt16)
  /// The path of a Unix socket.
  case unix(path: String)
}

extension Endpoint: CustomStringConvertible {
  /// `host:port`, `[v6]:port` or the path.
  public var description: String {
    switch self {
    case .tcp(let host, let port):
      host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): path
    }
  }
}
