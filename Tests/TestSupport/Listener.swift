import Foundation
import Synchronization

/// A socket that listens: on a free port of 127.0.0.1, or at a path.
package final class Listener: Sendable {
  /// 0 for one at a path.
  package let port: Int
  private let socket: Descriptor

  /// On TCP.
  /// - Parameter backlog: how many connections the kernel completes that nobody has accepted.
  package init(backlog: Int32 = 64) throws {
    let socket = Descriptor(try checked("socket", Glibc.socket(AF_INET, Listener.kind, 0)))
    try withLoopbackAddress(0) { try checked("bind", bind(socket.number, $0, $1)) }
    try checked("listen", listen(socket.number, backlog))
    (self.socket, port) = (socket, try socket.localPort)
  }

  package init(unixSocket path: String) throws {
    let socket = Descriptor(try checked("socket", Glibc.socket(AF_UNIX, Listener.kind, 0)))
    try withUnixAddress(path) { try checked("bind", bind(socket.number, $0, $1)) }
    try checked("listen", listen(socket.number, 64))
    (self.socket, port) = (socket, 0)
  }

  /// Not blocking: a thread that waited in `accept` itself would keep all others from starting a child.
  private static let kind = closedByExec | Int32(SOCK_NONBLOCK.rawValue)

  /// The next connection.
  /// - Throws: once `stop` has been called.
  package func accept() throws -> Descriptor {
    while true {
      while try !socket.isReadable(until: Deadline(in: .seconds(60))) {}
      let connection: Descriptor? = try Descriptor.spawning.withLock { _ in
        let number = Glibc.accept(socket.number, nil, nil)
        if number < 0 && [EAGAIN, EINTR, ECONNABORTED].contains(errno) { return nil }
        try checked("accept", number)
        try checked("fcntl", fcntl(number, F_SETFD, FD_CLOEXEC))
        return Descriptor(number)
      }
      if let connection { return connection }
    }
  }

  /// Accepts until `stop` is called, and gives each connection, with its number from 0 on, a thread of its own.
  package func serve(_ talk: @escaping @Sendable (Descriptor, Int) throws -> Void) {
    // The thread keeps the listener: if the descriptor were closed, `accept` would use the next descriptor with its
    // number.
    Thread.detachNewThread { [self] in
      var count = 0
      while let connection = try? accept() {
        let number = count
        count += 1
        Thread.detachNewThread { try? talk(connection, number) }
      }
    }
  }

  /// Ends the accepting; connections that are open live on until their client goes.
  package func stop() { shutdown(socket.number, Int32(SHUT_RDWR)) }
}
