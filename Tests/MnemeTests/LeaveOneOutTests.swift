import Testing

@testable import Mneme

@Suite("The leave-one-out table")
struct LeaveOneOutTests {
  private static func nearest(_ similarity: Double, _ hasSameResponse: Bool) -> LeaveOneOut.Nearest {
    LeaveOneOut.Nearest(similarity: similarity, hasSameResponse: hasSameResponse)
  }

  private static let some: [LeaveOneOut.Nearest?] = [
    nearest(0.95, true), nearest(0.9, false), nearest(0.9, true), nearest(0.8, true), nearest(0.75, false),
    nil,
  ]

  @Test("each entry is answered rightly, wrongly or not, at each threshold")
  func rows() {
    let table = LeaveOneOut(Self.some, thresholds: [0.7, 0.8, 0.9, 0.91, 0.99])
    let counts = table.rows.map { [$0.same, $0.different, $0.none] }
    #expect(counts == [[3, 2, 1], [3, 1, 2], [2, 1, 3], [1, 0, 5], [0, 0, 6]])
    #expect(table.rows.map(\.falseRate) == [0.4, 0.25, 1.0 / 3, 0, nil])
    #expect(table.rows.last?.interval == nil)
    #expect(LeaveOneOut(Self.some).rows.map(\.threshold) == (70...99).map { Double($0) / 100 })
  }

  @Test("the recommended threshold is the lowest with an allowed share of false answers")
  func recommendation() {
    let table = LeaveOneOut(Self.some, thresholds: [0.7, 0.8, 0.9, 0.91, 0.99])
    #expect(table.recommended()?.threshold == 0.91)
    #expect(table.recommended(maxFalse: 0.34)?.threshold == 0.8)
    // At 0.8 a quarter is false. That a third is at 0.9, where less is served, does not count against it.
    #expect(table.recommended(maxFalse: 0.3)?.threshold == 0.8)
    #expect(table.recommended(maxFalse: 1)?.threshold == 0.7)
    #expect(LeaveOneOut([nil, Self.nearest(0.5, true)]).recommended() == nil)
    #expect(LeaveOneOut([Self.nearest(0.999, false)]).recommended() == nil)
    #expect(LeaveOneOut([]).recommended() == nil)
  }

  /// The expected values were computed apart, in Python.
  @Test(
    "the interval is Wilson's",
    arguments: [
      (0, 10, 0, 0.277_533), (1, 10, 0.017_876, 0.404_150), (5, 10, 0.236_593, 0.763_407),
      (10, 10, 0.722_467, 1), (1, 100, 0.001_767, 0.054_486), (50, 5000, 0.007_594, 0.013_159),
    ] as [(Int, Int, Double, Double)])
  func wilson(count: Int, total: Int, low: Double, high: Double) throws {
    let interval = try #require(wilsonInterval(count, of: total))
    #expect(abs(interval.lowerBound - low) < 2e-6 && abs(interval.upperBound - high) < 2e-6, "\(interval)")
  }

  @Test("without draws there is no interval")
  func nothing() { #expect(wilsonInterval(0, of: 0) == nil) }
}
