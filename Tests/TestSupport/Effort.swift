import Foundation
import Testing

/// The length of the random tests: short enough to run all tests in minutes, or many times that with
/// `Tests/run --thorough`, which sets MNEME_THOROUGH.
package enum Effort {
  package static let isThorough = ProcessInfo.processInfo.environment["MNEME_THOROUGH"] != nil

  /// Returns the number of rounds of a random test. To look into one test, set MNEME_ROUNDS: it overrides both numbers.
  package static func rounds(_ few: Int, thorough: Int) -> Int {
    ProcessInfo.processInfo.environment["MNEME_ROUNDS"].flatMap { Int($0) } ?? (isThorough ? thorough : few)
  }

  /// All cases in a thorough run. Otherwise every so many-th, which are the ones that differ most when the list is
  /// ordered by kind.
  package static func some<Case>(_ cases: [Case], every step: Int) -> [Case] {
    isThorough ? cases : stride(from: 0, to: cases.count, by: step).map { cases[$0] }
  }

  /// All cases in a thorough run. Otherwise every fourth, so that four turns together have all of them.
  package static func share<Case>(of cases: [Case], turn: Int) -> [Case] {
    isThorough ? cases : cases.indices.filter { ($0 + turn) % 4 == 0 }.map { cases[$0] }
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips the test unless the run is a thorough one.
  package static var thorough: Self {
    .enabled(if: Effort.isThorough, "takes long; Tests/run --thorough runs it")
  }
}
