import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme snapshot`, `dumps`, `restore` and `loads`. Redis makes the snapshots, so these are refused without a
/// connection.
enum Refused {
  struct Snapshot: Command {
    static let spec = Refused.spec("snapshot", "refused: Redis keeps snapshots itself", "Snapshots")
    init(_ invocation: Invocation) throws(UsageError) {}
    func run(_ context: Context) throws -> any Report { throw CheckpointError.leftToRedis }
  }

  struct Dumps: Command {
    static let spec = Refused.spec("dumps", "refused: Redis keeps snapshots itself", "Dumps")
    init(_ invocation: Invocation) throws(UsageError) {}
    func run(_ context: Context) throws -> any Report { throw CheckpointError.leftToRedis }
  }

  struct Restore: Command {
    static let spec = Refused.spec("restore", "refused: Redis keeps snapshots itself", "Restoring")
    init(_ invocation: Invocation) throws(UsageError) {}
    func run(_ context: Context) throws -> any Report { throw CheckpointError.restoringLeftToRedis }
  }

  struct Loads: Command {
    static let spec = Refused.spec("loads", "refused: Redis keeps snapshots itself", "Loading")
    init(_ invocation: Invocation) throws(UsageError) {}
    func run(_ context: Context) throws -> any Report { throw CheckpointError.restoringLeftToRedis }
  }

  /// The file, which is not used.
  static let path = Argument(optional: "FILE", value: .file(), summary: "not used")

  static func spec(_ name: String, _ summary: String, _ subject: String) -> CommandSpec {
    CommandSpec(
      name: name, group: Group("Left to Redis"), summary: summary,
      description: """
        Redis takes the snapshots: `redis-cli BGSAVE` writes `dump.rdb`, which can be copied when it is complete. \
        To restore it, stop Redis, replace the file and start Redis. This command only prints that, and exits with \
        status 69. To back up or copy a single cache, see {command:export} and {command:import}.
        """,
      arguments: [path], examples: [Example(command: "mneme \(name)", says: "print how Redis does it")],
      seeAlso: ["redis-cli(1)"], isMinor: true, isOffered: false)
  }
}
