import Testing

@testable import MnemeEmbedders

@Suite("Retries")
struct RetryPolicyTests {
  private let policy = RetryPolicy()

  @Test("pauses double, and are drawn from their upper half", arguments: 1...4)
  func doubling(attempt: Int) throws {
    let whole = Duration.milliseconds(500) * (1 << (attempt - 1))
    for _ in 0..<50 {
      let pause = try #require(policy.pause(after: attempt, asked: nil, left: .seconds(60)))
      #expect((whole / 2...whole).contains(pause))
    }
  }

  @Test("the time that a server asks for is kept, if it is longer or shorter than the usual pause")
  func asked() {
    #expect(policy.pause(after: 1, asked: .seconds(7), left: .seconds(60)) == .seconds(7))
    #expect(policy.pause(after: 4, asked: .zero, left: .seconds(60)) == .zero)
  }

  @Test(
    "no attempt is made after the last one, or if the pause would be longer than the time left")
  func ends() {
    #expect(policy.pause(after: 5, asked: nil, left: .seconds(60)) == nil)
    #expect(policy.pause(after: 5, asked: .zero, left: .seconds(60)) == nil)
    #expect(policy.pause(after: 1, asked: .seconds(60), left: .seconds(60)) == nil)
    #expect(policy.pause(after: 1, asked: .seconds(59), left: .seconds(60)) == .seconds(59))
    #expect(policy.pause(after: 1, asked: nil, left: .milliseconds(200)) == nil)
    #expect(RetryPolicy(attempts: 1).pause(after: 1, asked: nil, left: .seconds(60)) == nil)
  }

  @Test("only statuses that may be temporary are tried again")
  func statuses() {
    for status in [429, 500, 502, 503, 504, 599] { #expect(RetryPolicy.isTemporary(status: status)) }
    for status in [200, 301, 400, 401, 403, 404, 413, 422, 499, 501, 600] {
      #expect(!RetryPolicy.isTemporary(status: status))
    }
  }
}
