import Glibc

/// Somebody else at a server, who sends `PING` hundreds of times a second as long as this object lives.
package final class OtherClient {
  private let process: ChildProcess

  package init(of server: RedisServer) throws {
    process = try ChildProcess(
      ["/bin/sh", "-c", "exec redis-cli -s \"$0\" -r -1 -i 0.002 ping >/dev/null", server.socketPath])
    // It is at work once the server has counted more than a few.
    let redis = try server.connect()
    let before = try OtherClient.pings(redis)
    let deadline = Deadline(in: .seconds(20))
    while try OtherClient.pings(redis) < before + 5 {
      guard !deadline.hasPassed else { throw TestTimeout("another client") }
      usleep(2000)
    }
  }

  private static func pings(_ redis: RawRedis) throws -> Int {
    let statistics = try redis.send("INFO", "commandstats").text ?? ""
    return statistics.firstMatch(of: #/cmdstat_ping:calls=(\d+)/#).flatMap { Int($0.1) } ?? 0
  }

  deinit {
    process.signal(SIGKILL)
    _ = try? process.finish()
  }
}
