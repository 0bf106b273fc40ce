import Foundation
import Synchronization

/// A redis-server of a test's own: on a Unix socket in a temporary directory, on a TCP port only when asked,
/// keeping nothing on disk unless told to.
///
/// The server's parent is a small shell (the guard) that waits at a pipe from this process. When the pipe
/// ends, because the last reference went or because this process is gone, however it ended, the guard kills
/// the server and removes the directory.
package final class RedisServer: Sendable {
  /// The directory of the server, its socket, its log and its files.
  package let directory: String
  package let socketPath: String
  /// The port on 127.0.0.1; nil without TCP.
  package var port: Int? { chosenPort.withLock { $0 } }

  private let chosenPort = Mutex<Int?>(nil)
  private let guardian: Mutex<ChildProcess>
  private let isSentinel: Bool
  private let isNode: Bool
  /// The ports of a server that is down.
  private let held = Mutex<[Descriptor]>([])

  /// One server for all tests of a file, each with a prefix of its own (`uniquePrefix`): the more keys of others lie
  /// about, the longer a look through all of them takes.
  package static func shared(for file: String = #fileID) throws -> RedisServer {
    try common.withLock { servers in
      if let server = servers[file] { return server }
      let server = try RedisServer()
      servers[file] = server
      return server
    }
  }
  private static let common = Mutex<[String: RedisServer]>([:])

  /// Starts a server and waits until it answers.
  ///
  /// - Parameters:
  ///   - tls: listens on TCP, and takes only TLS there. The configuration names the certificate.
  ///   - configuration: lines as in redis.conf, which come last and so win.
  ///   - isSentinel: starts a Sentinel.
  ///   - choosePort: gives a port that nobody listens on; any such port if it is nil.
  /// - Throws: `StartFailure` with the server's log.
  package init(
    tcp: Bool = false, tls: Bool = false, configuration: [String] = [], isSentinel: Bool = false,
    choosePort: (() throws -> Int)? = nil
  ) throws {
    self.isSentinel = isSentinel
    isNode = configuration.contains("cluster-enabled yes")
    guardian = try Mutex(ChildProcess(["/bin/sh", "-c", RedisServer.guardScript]))
    directory = try guardian.withLock { shell in
      guard let path = try shell.readLine() else {
        throw StartFailure(description: "the guard made no directory: \(try shell.finish())")
      }
      return path
    }
    socketPath = directory + "/redis.sock"
    // Before the server has the port that was free, another program may take it.
    var attemptsLeft = 5
    while true {
      attemptsLeft -= 1
      let port: Int? = try tcp || tls ? choosePort?() ?? (isNode ? freeNodePort() : freePort()) : nil
      chosenPort.withLock { $0 = port }
      var lines = tls ? ["port 0", "tls-port \(port ?? 0)"] : ["port \(port ?? 0)"]
      lines += ["bind 127.0.0.1", "unixsocket \(socketPath)", "dir \(directory)", "daemonize no"]
      if !isSentinel { lines += ["save \"\"", "appendonly no"] }
      lines += configuration
      try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: directory + "/redis.conf"))
      do {
        try start()
        return
      } catch let failure as StartFailure {
        guard port != nil, attemptsLeft > 0, failure.description.contains("Address already in use") else {
          throw failure
        }
        try FileManager.default.removeItem(atPath: directory + "/log")
      }
    }
  }

  deinit { try? stop() }

  /// A server that did not come up.
  package struct StartFailure: Error, CustomStringConvertible {
    package let description: String
  }

  /// The URL of the Unix socket.
  package var url: String { "unix://\(socketPath)" }

  /// The URL of the TCP port.
  /// - Precondition: the server was started with `tcp: true`.
  package var tcpURL: String { "redis://127.0.0.1:\(port!)/0" }

  /// A connection for the test itself.
  package func connect() throws -> RawRedis { try RawRedis(unixSocket: socketPath) }

  /// Kills the server as a crash would. Its directory and ports stay, and `start()` may follow.
  package func crash() throws {
    _ = try tell("kill")
    let ports = port.map { isNode ? [$0, $0 + 10_000] : [$0] } ?? []
    try held.withLock { $0 = try ports.map { try bindPort($0, forServer: true) } }
  }

  /// Starts the server again after `crash()`, on what it finds in its directory.
  package func start() throws {
    guard try tell(isSentinel ? "sentinel" : "start") == "started" else { throw failure() }
    let deadline = Deadline(in: patience)
    while true {
      if let connection = try? connect(), let reply = try? connection.send("PING"), reply.text == "PONG" {
        held.withLock { $0 = [] }
        return
      }
      guard try tell("check") == "running", !deadline.hasPassed else { throw failure() }
      usleep(2000)
    }
  }

  /// Stops the server for good and removes its directory; returns when that is done.
  package func stop() throws {
    try guardian.withLock { shell in _ = try shell.finish() }
  }

  private func tell(_ word: String) throws -> String? {
    try guardian.withLock { shell in
      try shell.write(Array("\(word)\n".utf8))
      return try shell.readLine()
    }
  }

  private func failure() -> StartFailure {
    let log = (try? Data(contentsOf: URL(filePath: directory + "/log"))) ?? Data()
    return StartFailure(description: "redis-server did not start:\n\(String(decoding: log, as: UTF8.self))")
  }

  /// Answers each line of its input with one of its own.
  private static let guardScript = """
    trap '' INT HUP TERM PIPE
    directory=$(mktemp -d /tmp/mneme-test-XXXXXX) || exit 1
    end() { kill -KILL "$server" 2>/dev/null; wait "$server" 2>/dev/null; server=; }
    echo "$directory"
    while read -r word; do
      case $word in
        sentinel) redis-server "$directory/redis.conf" --sentinel </dev/null >>"$directory/log" 2>&1 & server=$!; echo started ;;
        start) redis-server "$directory/redis.conf" </dev/null >>"$directory/log" 2>&1 & server=$!; echo started ;;
        check) if kill -0 "$server" 2>/dev/null; then echo running; else echo gone; fi ;;
        kill) end; echo killed ;;
      esac
    done
    end
    rm -rf "$directory"
    """
}

/// A key prefix that no other test of this process uses, readable in a dump: `17:what`.
package func uniquePrefix(_ what: String = "test") -> String {
  "\(prefixCount.add(1, ordering: .relaxed).newValue):\(what)"
}
private let prefixCount = Atomic(0)
