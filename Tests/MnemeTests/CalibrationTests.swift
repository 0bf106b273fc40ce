import Testing

@testable import Mneme

@Suite("Calibration")
struct CalibrationTests {
  static let paraphrases = [
    ("how do i reset my password", "how can i reset my password?"),
    ("how do i reset my password", "how to reset my password"),
    ("how do i reset my password", "i want to reset my password"),
    ("what are your opening hours", "what are the opening hours?"),
    ("what is the capital of france", "what's the capital of france?"),
    ("what is the capital of france", "tell me the capital of france"),
    ("where is my order", "where's my order?"),
    ("how do i cancel my subscription", "how can i cancel the subscription?"),
    ("how do i cancel my subscription", "i would like to cancel my subscription"),
    ("i forgot my password", "i've forgotten my password"),
    ("can you translate this to german", "please translate this into german"),
    ("how do i install python on ubuntu", "how to install python on ubuntu?"),
    ("how do i install python on ubuntu", "installing python on ubuntu"),
    ("list the files in a directory", "list files in directory"),
    ("how do i export a report as pdf", "how can i export reports as a pdf"),
    ("what is the weather in london today", "what's the weather today in london"),
  ]

  static let distractors = [
    ("how do i cancel my card", "how do i activate my card"),
    ("cancel card", "activate card"),
    ("how do i activate my card", "how do i deactivate my card"),
    ("how do i enable notifications", "how do i disable notifications"),
    ("how do i lock my account", "how do i unlock my account"),
    ("how do i subscribe to the newsletter", "how do i unsubscribe from the newsletter"),
    ("how do i increase my limit", "how do i decrease my limit"),
    ("how do i import contacts", "how do i export contacts"),
    ("how do i upload a file", "how do i download a file"),
    ("what is the capital of france", "what is the capital of germany"),
    ("what is the capital of australia", "what is the capital of austria"),
    ("what is the capital of iran", "what is the capital of iraq"),
    ("how do i install python on ubuntu", "how do i install python on windows"),
    ("how do i install python on ubuntu", "how do i uninstall python on ubuntu"),
    ("how do i merge two branches in git", "how do i delete two branches in git"),
    ("why was my payment declined", "why was my payment refunded"),
  ]

  static func calibration(_ precision: VectorPrecision) throws -> Calibration {
    let embedder = HashedNgramEmbedder()
    func observe(_ pairs: [(String, String)], _ isMatch: Bool) throws -> [Calibration.Observation] {
      try pairs.map { a, b in
        let similarity = try Calibration.similarity(
          embedder.embed(a), embedder.embed(b), precision: precision)
        return Calibration.Observation(similarity: similarity, isMatch: isMatch)
      }
    }
    return try Calibration(observe(paraphrases, true) + observe(distractors, false))
  }

  // Expected: Python mneme-cache 1.0.1, `mneme.tools.calibrate.find_threshold` with the pairs above, the given
  // vector_dtype, and the vectors of Fixtures/hashed_ngrams.py.
  @Test("finds the thresholds of the Python library", arguments: VectorPrecision.allCases)
  func peerThresholds(precision: VectorPrecision) throws {
    typealias Point = Calibration.Point
    let calibration = try Self.calibration(precision)
    let isExact = precision == .float32
    let byF1 = Point(threshold: isExact ? 0.77 : 0.78, precision: 0.9411764705882353, recall: 1)
    let constrained = Point(threshold: 0.85, precision: 1, recall: isExact ? 0.9375 : 0.875)

    #expect(calibration.best() == byF1)
    #expect(calibration.best()?.f1 == 0.9696969696969697)
    #expect(calibration.best(by: .recall, minPrecision: 0.95) == constrained)
    #expect(calibration.best(by: .precision, minRecall: 0.8) == constrained)
    #expect(calibration.best(by: .f1, minPrecision: 1) == constrained)
    #expect(constrained.f1 == (isExact ? 0.967741935483871 : 0.9333333333333333))
    #expect(calibration.best(minPrecision: 1, minRecall: 0.99) == nil)
  }

  // The figures of the field `pr_curve`.
  @Test(
    "computes the curve of the Python library",
    arguments: [
      (
        .float32,
        [
          (0.56, 0.5161290322580645, 1), (0.63, 0.5714285714285714, 1), (0.70, 0.6956521739130435, 1),
          (0.77, 0.9411764705882353, 1), (0.84, 0.9411764705882353, 1), (0.91, 1, 0.5625), (0.98, 1, 0),
        ]
      ),
      (
        .int8,
        [
          (0.56, 0.5161290322580645, 1), (0.63, 0.5925925925925926, 1), (0.70, 0.6956521739130435, 1),
          (0.77, 0.8888888888888888, 1), (0.84, 0.9333333333333333, 0.875), (0.91, 1, 0.5), (0.98, 1, 0),
        ]
      ),
    ] as [(VectorPrecision, [(Double, Double, Double)])])
  func peerCurve(precision: VectorPrecision, points: [(Double, Double, Double)]) throws {
    let curve = try Self.calibration(precision).curve
    #expect(curve.map(\.threshold) == Calibration.defaultThresholds)
    #expect(curve.count == 50 && curve[0].threshold == 0.5 && curve[49].threshold == 0.99)
    for (threshold, precision, recall) in points {
      let point = try #require(curve.first { $0.threshold == threshold })
      #expect(point == Calibration.Point(threshold: threshold, precision: precision, recall: recall))
    }
  }

  @Test("A similarity at the threshold is served, and the precision of serving nothing is 1")
  func edges() throws {
    let curve = try Calibration(
      [.init(similarity: 0.9, isMatch: true), .init(similarity: 0.4, isMatch: false)],
      thresholds: [0.4, 0.9, 0.91]
    ).curve
    #expect(curve.map(\.precision) == [0.5, 1, 1])
    #expect(curve.map(\.recall) == [1, 1, 0])
    #expect(curve.map(\.f1) == [2 / 3.0, 1, 0])
  }

  @Test("Of equal thresholds the first is taken")
  func firstOfEqual() throws {
    let observations: [Calibration.Observation] = [
      .init(similarity: 0.9, isMatch: true), .init(similarity: 0.1, isMatch: false),
    ]
    #expect(try Calibration(observations).best()?.threshold == 0.5)
    #expect(try Calibration(observations, thresholds: [0.8, 0.5]).best()?.threshold == 0.8)
  }

  @Test("Without matching pairs, or without others, there is nothing to calibrate", arguments: [true, false])
  func oneSided(isMatch: Bool) {
    #expect(throws: InvalidInputError.self) {
      try Calibration([.init(similarity: 0.5, isMatch: isMatch)])
    }
    #expect(throws: InvalidInputError.self) { try Calibration([]) }
  }
}

@Suite("Calibration with labelled texts")
struct LabelledTextTests {
  let texts = [
    ("How do I pay?", "pay"), ("How can I pay?", "pay"), ("paying", "pay"), ("how do  i PAY?", "refund"),
    ("Where is my refund?", "refund"), ("refund please", "refund"), ("hello", "greeting"),
  ].map { LabelledText(text: $0.0, label: $0.1) }

  @Test("each text is in one half, and a text that comes twice is used once")
  func halves() {
    let (stored, asked) = LabelledText.halves(of: texts, seed: 1)
    #expect(stored.count == 3 && asked.count == 3)
    let all = (stored + asked).map(\.text)
    #expect(Set(all) == Set(texts.map(\.text).filter { $0 != "how do  i PAY?" }))
    #expect(LabelledText.halves(of: [], seed: 1).asked.isEmpty)
    #expect(LabelledText.halves(of: [texts[0]], seed: 1).stored == [texts[0]])
  }

  @Test("one seed gives the same halves in every release, another seed gives others")
  func seeds() {
    let stored = (0..<20).map { seed in
      LabelledText.halves(of: texts, seed: UInt64(seed)).stored.map(\.text)
    }
    #expect(Set(stored).count > 5)
    #expect(LabelledText.halves(of: texts, seed: 7).stored == LabelledText.halves(of: texts, seed: 7).stored)
    #expect(stored[1] == ["How do I pay?", "How can I pay?", "refund please"])
  }

  @Test("the nearest stored text answers, the first of equally near ones, and is right when its label is")
  func asking() throws {
    func vector(_ x: Float, _ y: Float) throws -> Embedding { try .normalizing([x, y]) }
    let stored = [
      (try vector(1, 0), "east"), (try vector(0, 1), "north"), (try vector(0, 1), "up"),
      (try vector(1, 1), "north-east"),
    ].map { (vector: $0.0, label: $0.1) }
    let asked = [
      (try vector(1, 0.1), "east"), (try vector(0, 1), "north"), (try vector(0, 1), "up"),
      (try vector(-1, 0), "west"),
    ].map { (vector: $0.0, label: $0.1) }
    let table = LeaveOneOut(asking: asked, of: stored, thresholds: [-1, 0.5, 0.999])
    #expect(table.rows.map { [$0.same, $0.different, $0.none] } == [[2, 2, 0], [2, 1, 1], [1, 1, 2]])
    let curve = Calibration(table).curve
    #expect(curve.map(\.precision) == [0.5, 1 - 1.0 / 3, 0.5])
    #expect(curve.map(\.recall) == [0.5, 0.5, 0.25])
    #expect(Calibration(LeaveOneOut([])).curve.allSatisfy { $0.precision == 1 && $0.recall == 0 })
  }

  // The first five numbers of the authors' reference implementation with seed 1234567.
  @Test("The generator is SplitMix64")
  func generator() {
    var random = SplitMix64(seed: 1_234_567)
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
    ]
    #expect(expected.map { _ in random.next() } == expected)
  }
}
