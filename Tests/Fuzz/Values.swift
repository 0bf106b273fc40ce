import CommandGrammar
import Mneme

@testable import MnemeCLI

extension Target {
  /// Durations, counts, numbers and choices as they are typed: what is read and written is read as the same value, and
  /// nothing passes the limits.
  static let values = Target(
    name: "values",
    words: [
      "w", "d", "h", "m", "s", "ms", "k", "K", "M", "G", "_", "1h30m", "90", "10_000", "-1", "0.85", "1e6",
      "9223372036854775807", "1e308", "nan", "inf", "0x1p3", "auto", "always", "never",
    ]
  ) { input in
    let bytes = input.remainder()
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    roundTrip(text, .duration)
    roundTrip(text, .duration(in: .zero...(.longest), milliseconds: true))
    roundTrip(text, .duration(in: .milliseconds(1)...(.seconds(60)), milliseconds: true)) {
      $0 >= .milliseconds(1) && $0 <= .seconds(60)
    }
    roundTrip(text, .count()) { $0 >= 0 }
    roundTrip(text, .count("N", 1...1000)) { (1...1000).contains($0) }
    roundTrip(text, .integer())
    roundTrip(text, .number()) { $0.isFinite }
    roundTrip(text, .number("F", 0...1)) { (0...1).contains($0) }
    roundTrip(text, .choice(When.self))
    roundTrip(text, .namespace) { !$0.name.isEmpty }
    roundTrip(text, .text(allowsEmpty: false)) { areSame($0, text) }
  }
}

private func roundTrip<Value: Sendable & Equatable>(
  _ text: String, _ kind: ValueKind<Value>, _ isWithin: (Value) -> Bool = { _ in true }
) {
  do {
    let value = try kind.parse(text)
    expect(isWithin(value), "\(text) is \(value)")
    let written = kind.format(value)
    expect((try? kind.parse(written)) == value, "\(text) is \(value), and written '\(written)'")
  } catch {
    expect(!error.problem.isEmpty && !error.advice.isEmpty, "'\(text)' is refused without words")
  }
}
