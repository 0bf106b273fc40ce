import Testing

@testable import CommandGrammar

private func value<Value>(_ kind: ValueKind<Value>, _ text: String) -> Value? { try? kind.parse(text) }

private func problem<Value>(_ kind: ValueKind<Value>, _ text: String) -> ValueProblem? {
  do {
    _ = try kind.parse(text)
    return nil
  } catch {
    return error
  }
}

@Suite("Kinds of values")
struct ValueKindTests {
  @Test(
    "durations are seconds, or parts from long to short",
    arguments: [
      ("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600),
      ("1h30m", 5400), ("1d12h", 129_600), ("1w2d3h4m5s", 788_645), ("007", 7),
      ("9223372036854775s", 9_223_372_036_854_775),
    ])
  func durations(text: String, seconds: Int) {
    #expect(value(.duration, text) == .seconds(seconds))
  }

  @Test(
    "what is not a duration is refused",
    arguments: [
      "", " ", "s", "h", "-1", "-1s", "+1", "1.5h", "1 h", "1h 30m", "30m1h", "1h1h", "1h30", "1x", "1H",
      "1day", "1hm",
      "٣s", "1h30m ", "0x10", "1_000", "250ms",
    ])
  func noDurations(text: String) {
    #expect(problem(.duration, text) != nil)
  }

  @Test("milliseconds are accepted for some options only")
  func milliseconds() {
    let kind = ValueKind<Duration>.duration(in: .zero...(.longest), milliseconds: true)
    #expect(value(kind, "250ms") == .milliseconds(250))
    #expect(value(kind, "1s250ms") == .milliseconds(1250))
    #expect(problem(kind, "250ms1s") != nil)
    #expect(kind.format(.milliseconds(1250)) == "1s250ms")
  }

  @Test(
    "a duration that does not fit is reported as too long",
    arguments: ["99999999999999999999", "9223372036854775807w", "15250284453w"])
  func overflowingDurations(text: String) {
    #expect(problem(.duration, text)?.problem == "is too long")
  }

  @Test(
    "durations are written as one would type them",
    arguments: ["0s", "1s", "1m30s", "1h", "7d", "1d1h1m1s", "53w"])
  func formattedDurations(text: String) throws {
    let kind = ValueKind<Duration>.duration
    let duration = try #require(value(kind, text))
    #expect(value(kind, kind.format(duration)) == duration)
    #expect(text == "53w" ? kind.format(duration) == "371d" : kind.format(duration) == text)
  }

  @Test(
    "counts accept underscores and letters for thousands",
    arguments: [
      ("0", 0), ("10000", 10_000), ("10_000", 10_000), ("10k", 10_000), ("10K", 10_000), ("1M", 1_000_000),
      ("2G", 2_000_000_000), ("1_0k", 10_000), ("9223372036854775807", Int.max),
    ])
  func counts(text: String, count: Int) {
    #expect(value(.count(), text) == count)
  }

  @Test(
    "what is not a count is refused",
    arguments: [
      "", "k", "_", "_1", "1_", "1__0", "1_k", "1m", "1g", "1kk", "1.5k", "-1", "+1", "1 000", "10kb", "٣",
    ])
  func noCounts(text: String) {
    #expect(problem(.count(), text) != nil)
  }

  @Test(
    "a count that does not fit is reported as too large",
    arguments: ["9223372036854775808", "9223372036854775807k", "99999999999999999999999G"])
  func overflowingCounts(text: String) {
    #expect(problem(.count(), text)?.problem == "is too large")
  }

  @Test("limits hold at their bounds and say what they are")
  func limits() {
    let kind = ValueKind<Int>.integer("N", 1...100)
    #expect(value(kind, "1") == 1)
    #expect(value(kind, "100") == 100)
    #expect(problem(kind, "0") == ValueProblem("is too small", advice: "it must be from 1 to 100"))
    #expect(problem(kind, "101") == ValueProblem("is too large", advice: "it must be from 1 to 100"))
    #expect(problem(.count("N", 1...Int.max), "0")?.advice == "it must be at least 1")
    #expect(problem(.integer("N", Int.min...10), "1000")?.advice == "it must be at most 10")
    #expect(
      problem(.duration(in: .seconds(1)...(.seconds(3600))), "2h")?.advice == "it must be from 1s to 1h")
  }

  @Test(
    "whole numbers are digits with at most a minus sign",
    arguments: ["", "-", "+1", "1.0", "0x1", " 1", "1e3", "--1"])
  func noIntegers(text: String) {
    #expect(problem(.integer(), text)?.problem == "is not a whole number")
    #expect(value(.integer(), "-42") == -42)
    #expect(problem(.integer(), "9223372036854775808")?.problem == "is too large")
  }

  @Test(
    "numbers are finite and decimal",
    arguments: ["", "nan", "inf", "-inf", "0x1p3", "1,5", "half", "1 ", "--1"])
  func noNumbers(text: String) {
    #expect(problem(.number(), text)?.problem == "is not a number")
  }

  @Test("numbers keep their fraction, and one beyond all limits is too large")
  func numbers() {
    #expect(value(.number(), "0.85") == 0.85)
    #expect(value(.number(), "-1e3") == -1000)
    #expect(problem(.number(), "1e999")?.problem == "is too large")
    #expect(problem(.number("F", 0...1), "1.5")?.advice == "it must be from 0 to 1")
  }

  @Test("a choice must be spelled exactly, and otherwise the choices are listed")
  func choices() {
    let kind = ValueKind<SampleProgram.When>.choice(SampleProgram.When.self, "WHEN")
    #expect(value(kind, "auto") == .auto)
    #expect(
      problem(kind, "Auto")
        == ValueProblem("is not valid", advice: "choose auto, always or never", nearest: "auto"))
    #expect(problem(kind, "sometimes")?.nearest == nil)
    #expect(problem(kind, "")?.nearest == nil)
    #expect(kind.completion == .choices(["auto", "always", "never"]))
  }

  @Test("a program's own kind is parsed, reported and completed like the others")
  func ownKind() throws {
    struct Point: Sendable, Equatable { let x, y: Int }
    let kind = ValueKind<Point>(
      placeholder: "POINT",
      parse: { text throws(ValueProblem) in
        let parts = text.split(separator: ",").compactMap { Int($0) }
        guard parts.count == 2 else { throw ValueProblem("is not a point", advice: "write it as 3,4") }
        return Point(x: parts[0], y: parts[1])
      },
      format: { "\($0.x),\($0.y)" })
    let place = Option("place", value: kind, default: Point(x: 0, y: 0), summary: "Where")
    let grammar = Grammar(
      program: "map", version: "1", date: "2026-01-01", summary: "find places",
      commands: [CommandSpec(name: "show", summary: "Show it", options: [place])])
    guard case .run(let invocation) = try grammar.parse(["show", "--place", "3,4"]) else {
      Issue.record("a run was expected")
      return
    }
    #expect(invocation[place] == Point(x: 3, y: 4))
    let error = #expect(throws: UsageError.self) { try grammar.parse(["show", "--place", "here"]) }
    #expect(error?.message == "--place: 'here' is not a point; write it as 3,4")
    #expect(place.spec.defaultText == "0,0")
  }
}
