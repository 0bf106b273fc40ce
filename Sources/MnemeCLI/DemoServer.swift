import Glibc
import Mneme
import MnemeRedis

/// A redis-server of our own: on a Unix socket in a directory of its own, no TCP port, nothing written to disk.
final class DemoServer {
  /// The directory of the socket and the tour's files; removed with the server.
  let directory: String
  var url: String { "unix://\(directory)/redis.sock" }
  private let process: ChildProcess

  /// Starts the server and waits until it takes connections.
  /// - Throws: `FileError` without a redis-server, or when it does not come up.
  init(_ environment: [String: String]) throws {
    let missing = FileError(
      status: .unavailable,
      message: "There is no redis-server in the PATH, and the demo needs one of its own.",
      remediation: "Install it: 'apt install redis-server' on Debian and Ubuntu.")
    guard Self.isInstalled("redis-server", environment) else { throw missing }
    let place = (environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp") + "/mneme-demo.XXXXXX"
    var template = Array(place.utf8CString)
    guard mkdtemp(&template) != nil else { throw FileError.uncreatable(place, errno: errno) }
    directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    guard
      let process = ChildProcess(
        ["/bin/sh", "-c", Self.script, "sh", directory], environment: environment, silencesOutput: true,
        hasInput: true)
    else {
      rmdir(directory)
      throw missing
    }
    self.process = process
    do {
      try waitUntilReady()
    } catch {
      stop()
      throw error
    }
  }

  deinit { stop() }

  /// Runs the server until this process ends, even if it is killed, and then removes the directory.
  private static let script = """
    trap '' INT TERM HUP
    redis-server --port 0 --unixsocket "$1/redis.sock" --unixsocketperm 700 --dir "$1" --save '' --appendonly no &
    read -r line
    kill "$!"
    wait
    rm -rf "$1"
    """

  private static func isInstalled(_ program: String, _ environment: [String: String]) -> Bool {
    (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").contains {
      access("\($0)/\(program)", X_OK) == 0
    }
  }

  private func waitUntilReady() throws {
    for _ in 0..<500 {
      if access("\(directory)/redis.sock", F_OK) == 0 { return }
      sleep(for: .milliseconds(10))
    }
    throw FileError(
      status: .unavailable, message: "The demo's redis-server did not start.",
      remediation: "Try 'redis-server --port 0' by hand and read what it says.")
  }

  /// Ends the server and removes its directory.
  func stop() { process.stop() }
}
