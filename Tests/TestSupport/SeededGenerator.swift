import Foundation
import Synchronization

/// SplitMix64: the same numbers from the same seed on every machine. Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014.
///
/// Every random test takes its numbers from here. All of them begin with `SeededGenerator.seed`, and each prints it, so
/// that a failure can be repeated: `MNEME_SEED=7 Tests/run --filter HistoryTests`.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  /// The seed of this run: what MNEME_SEED says, and 1 if it is not set. `Tests/run --thorough` sets another each time.
  package static let seed = ProcessInfo.processInfo.environment["MNEME_SEED"].flatMap { UInt64($0) } ?? 1

  /// The seeds of so many rounds of a test, the first of which is `seed`: a failure in the round with seed 9 is the
  /// first that MNEME_SEED=9 plays.
  package static func seeds(
    _ count: Int, file: String = #fileID, function: String = #function
  ) -> Range<UInt64> {
    announce(file, function)
    return seed..<seed + UInt64(count)
  }

  private var state: UInt64

  /// The numbers of one test.
  /// - Parameter stream: tells generators apart that one test uses: those of its arguments, its threads.
  package init(stream: UInt64 = 0, file: String = #fileID, function: String = #function) {
    SeededGenerator.announce(file, function)
    self.init(seed: SeededGenerator.seed, stream: stream)
  }

  /// The numbers of one round, whose seed comes from `seeds`.
  package init(seed: UInt64, stream: UInt64 = 0) {
    state = seed
    if stream > 0 {
      // Streams that are neighbours must not be each other's sequence, shifted by one.
      state ^= stream &* 0xD6E8_FEB8_6659_FD93
      _ = next()
    }
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Prints the seed, once for each test function.
  private static func announce(_ file: String, _ function: String) {
    let test = "\(file) \(function)"
    if announced.withLock({ $0.insert(test).inserted }) { print("MNEME_SEED=\(seed) for \(test)") }
  }
  private static let announced = Mutex<Set<String>>([])
}
