import Foundation
import Testing

// Programs that a test needs and that may be missing. The runner prints and counts each skip with its reason.

extension Trait where Self == ConditionTrait {
  /// Skips the test where a program is not on PATH.
  package static func needs(program name: String) -> Self {
    .enabled(if: isOnPath(name), "\(name) is not on PATH; Tests/setup installs it")
  }

  /// Skips the test where Python lacks a module.
  package static func needs(pythonModule name: String) -> Self {
    .enabled("Python has no module '\(name)'; Tests/setup installs it") {
      try ChildProcess(["python3", "-c", "import \(name)"]).finish().status == 0
    }
  }

  /// Skips the test where the Banking77 questions are not at hand.
  package static var needsBanking77: Self {
    .enabled(
      if: FileManager.default.isReadableFile(atPath: Repository.banking77),
      "no Banking77 questions at \(Repository.banking77); MNEME_BANKING77 may name their train.csv")
  }

  /// Skips the test where `Tests/run` has not built the command without the trait `Redis`.
  package static var needsBuildWithoutRedis: Self {
    .enabled(
      if: FileManager.default.isExecutableFile(atPath: Repository.mnemeWithoutRedis),
      "no build without the Redis trait; Tests/run --thorough makes one")
  }
}

/// Places in and next to the repository.
package enum Repository {
  package static let top = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  package static let banking77 =
    ProcessInfo.processInfo.environment["MNEME_BANKING77"] ?? top + "/../shared/data/banking77/train.csv"

  package static let mnemeWithoutRedis = top + "/.build-no-redis/debug/mneme"
}

private func isOnPath(_ name: String) -> Bool {
  searchPath.split(separator: ":").contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
}
