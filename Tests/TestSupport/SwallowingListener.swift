import Foundation

/// A port of 127.0.0.1 that takes no connection and refuses none, like a host behind a firewall that drops packets:
/// the queue of those that wait to be accepted is full.
package final class SwallowingListener: Sendable {
  private let listener: Listener
  private let waiting: [Descriptor]

  package init() throws {
    listener = try Listener(backlog: 0)
    let port = listener.port
    waiting = try (0..<3).map { _ in
      let type = closedByExec | Int32(SOCK_NONBLOCK.rawValue)
      let caller = Descriptor(try checked("socket", socket(AF_INET, type, 0)))
      _ = try withLoopbackAddress(port) { connect(caller.number, $0, $1) }
      return caller
    }
  }

  package var port: Int { listener.port }
}
