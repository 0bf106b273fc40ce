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
    let server = [
      "redis-server", "--port", "0", "--unixsocket", "\(directory)/redis.sock", "--unixsocketperm", "700",
      "--save",
      "", "--appendonly", "no", "--daemonize", "no", "--dir", directory,
    ]
    // setpriv (util-linux) makes the server end with this process, even if it is killed.
    guard
      let process =
        ChildProcess(
          ["setpriv", "--pdeathsig", "TERM"] + server, environment: environment, silencesOutput: true)
        ?? ChildProcess(server, environment: environment, silencesOutput: true)
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

  private static func isInstalled(_ program: String, _ environment: [String: String]) -> Bool {
    (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").contains {
      access("\($0)/\(program)", X_OK) == 0
    }
  }

  private func waitUntilReady() throws {
    for _ in 0..<500 {
      if process.hasEnded { break }
      if access("\(directory)/redis.sock", F_OK) == 0 { return }
      sleep(for: .milliseconds(10))
    }
    throw FileError(
      status: .unavailable, message: "The demo's redis-server did not start.",
      remediation: "Try 'redis-server --port 0' by hand and read what it says.")
  }

  /// Ends the server and removes its directory.
  func stop() {
    process.stop()
    guard let listing = opendir(directory) else { return }
    while let entry = readdir(listing) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink("\(directory)/\(name)") }
    }
    closedir(listing)
    rmdir(directory)
  }
}
