import TestSupport
import Testing

/// `snapshot`, `dumps`, `restore` and `loads`: refused, with the way to go instead.
@Suite struct RefusedSnapshotTests {
  @Test("snapshots are refused with the advice to use BGSAVE", arguments: ["snapshot", "dumps"])
  func snapshot(command: String) throws {
    let complaint = try refused(command)
    for part in ["redis-cli BGSAVE", "dump.rdb"] { #expect(complaint.contains(part), "\(complaint)") }
  }

  @Test("restoring is refused with the way to do it", arguments: ["restore", "loads"])
  func restore(command: String) throws {
    let complaint = try refused(command)
    for part in ["stop", "dump.rdb", "start"] {
      #expect(complaint.lowercased().contains(part), "\(complaint)")
    }
  }

  /// Runs the command without a server, because it makes no connection.
  private func refused(_ command: String) throws -> String {
    let mneme = Mneme(url: "unix:///nonexistent/redis.sock", prefix: "mneme")
    let complaint = try refusal(status: 69, type: "CheckpointError") { try mneme.run([command] + $0) }
    return complaint.message + complaint.remediation
  }
}
