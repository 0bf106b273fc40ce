import CommandGrammar
import Mneme
import MnemeEmbedders

/// `mneme calibrate`
struct Calibrate: Command {
  enum Format: String, CaseIterable, Sendable {
    case text, csv
  }

  static let paraphrases = Option(
    "paraphrases", value: .file(), summary: "a file of pairs that mean the same",
    details: "JSON lines: `{\"a\":\"one question\",\"b\":\"another\"}`.")
  static let distractors = Option(
    "distractors", value: .file(), summary: "a file of pairs that do not, likewise")
  static let labelled = Option(
    "labelled", value: .file(), summary: "a CSV of texts and labels, of which pairs are drawn",
    details: "Two texts of one label mean the same. The first line is a heading.")
  static let pairs = Option(
    "pairs", value: .count("N", 1...1_000_000), default: 2000,
    summary: "how many pairs of each kind to draw")
  static let seed = Option(
    "seed", value: .integer("N", 0...), default: 1, summary: "which pairs are drawn")
  static let metric = Option(
    "metric", value: .choice(Calibration.Metric.self, "METRIC"), default: .f1,
    summary: "what the threshold is to be best at")
  static let minPrecision = Option(
    "min-precision", value: .number("F", 0...1), default: 0, summary: "the least share of right answers")
  static let minRecall = Option(
    "min-recall", value: .number("F", 0...1), default: 0, summary: "the least share of matches served")
  static let precision = Option(
    "vectors", value: .choice(VectorPrecision.self, "FORM"), default: .float32,
    summary: "the form of vector that the application searches")
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), default: .text, summary: "a table, or CSV")

  static let spec = CommandSpec(
    name: "calibrate", summary: "find the threshold for an embedder",
    description: """
      Compares labelled pairs of questions and says from which similarity on they should be served: the threshold \
      that is best at {option:metric} among those that meet the constraints, and the curve. Needs no server.
      """,
    options: [
      paraphrases, distractors, labelled, pairs, seed, metric, minPrecision, minRecall, precision, format,
      Options.embedder,
    ],
    rules: [
      .exactlyOne(of: paraphrases, labelled), .dependency(of: paraphrases, on: distractors),
      .dependency(of: distractors, on: paraphrases), .dependency(of: pairs, on: labelled),
      .dependency(of: seed, on: labelled),
    ],
    examples: [
      Example(
        command: "mneme calibrate --labelled questions.csv --min-precision 0.99",
        says: "the threshold at which 99 of 100 answers are right"),
      Example(
        command: "mneme calibrate --paraphrases same.jsonl --distractors other.jsonl",
        says: "the threshold that balances right answers and misses"),
    ],
    exitNotes: [ExitNote(1, "no threshold meets the constraints")])

  enum Source {
    case pairs(paraphrases: String, distractors: String)
    case labelled(String, count: Int, seed: UInt64)
  }

  let source: Source
  let metric: Calibration.Metric
  let minPrecision: Double
  let minRecall: Double
  let precision: VectorPrecision
  let format: Format
  let embedder: String

  init(_ invocation: Invocation) throws(UsageError) {
    switch (invocation[Self.paraphrases], invocation[Self.distractors], invocation[Self.labelled]) {
    case (let same?, let other?, _): source = .pairs(paraphrases: same, distractors: other)
    case (_, _, let file?):
      source = .labelled(file, count: invocation[Self.pairs], seed: UInt64(invocation[Self.seed]))
    default: preconditionFailure("the rules let no line pass without a source")
    }
    metric = invocation[Self.metric]
    minPrecision = invocation[Self.minPrecision]
    minRecall = invocation[Self.minRecall]
    precision = invocation[Self.precision]
    format = invocation[Self.format]
    embedder = invocation[Options.embedder] ?? EmbedderCatalog.defaultSpec
  }

  func run(_ context: Context) throws -> any Report {
    let pairs = try readPairs()
    let embedder = try EmbedderCatalog.embedder(spec: embedder, cache: nil)
    var observations: [Calibration.Observation] = []
    for start in stride(from: 0, to: pairs.count, by: 64) {
      let batch = pairs[start..<min(start + 64, pairs.count)]
      let vectors = try embedder.embed(batch.flatMap { [$0.a, $0.b].map(QueryNormalizer.normalize) })
      for (offset, pair) in batch.enumerated() {
        observations.append(
          .init(
            similarity: try Calibration.similarity(
              vectors[2 * offset], vectors[2 * offset + 1], precision: precision), isMatch: pair.isMatch))
      }
    }
    let calibration = try Calibration(observations)
    return CalibrationReport(
      embedder: embedder.fingerprint, pairs: pairs.count, curve: calibration.curve,
      best: calibration.best(by: metric, minPrecision: minPrecision, minRecall: minRecall), metric: metric,
      format: format)
  }

  private func readPairs() throws -> [LabelledPair] {
    switch source {
    case .pairs(let paraphrases, let distractors):
      try readPairs(from: paraphrases, isMatch: true) + readPairs(from: distractors, isMatch: false)
    case .labelled(let path, let count, let seed):
      LabelledPair.draw(count, from: try readLabelled(from: path), seed: seed)
    }
  }

  private func readPairs(from path: String, isMatch: Bool) throws -> [LabelledPair] {
    let file = try InputFile(path)
    var lines = LineReader(file, limit: 1 << 20)
    var pairs: [LabelledPair] = []
    while let line = try lines.next() {
      guard line.contains(where: { $0 > 0x20 }) else { continue }
      let members = (try? JSONText(parsing: Array(line)))?.members ?? []
      guard let a = members.last(where: { $0.name == "a" })?.value.string,
        let b = members.last(where: { $0.name == "b" })?.value.string
      else {
        throw LineError(
          line: lines.number, source: file.name,
          underlying: InvalidInputError(
            "not a pair of texts.", remediation: "Write {\"a\":\"one question\",\"b\":\"another\"}."),
          state: "")
      }
      pairs.append(LabelledPair(a: a, b: b, isMatch: isMatch))
    }
    return pairs
  }

  private func readLabelled(from path: String) throws -> [(text: String, label: String)] {
    let limit = 1 << 28
    guard let bytes = try InputFile(path).readAll(limit: limit),
      let text = String(validating: bytes, as: UTF8.self)
    else {
      throw InvalidInputError(
        "The file '\(path)' is over \(size(limit)) or not UTF-8.",
        remediation: "Give a smaller sample in UTF-8.")
    }
    return try CSV.records(of: text).dropFirst().enumerated().map { index, record in
      guard record.count >= 2 else {
        throw LineError(
          line: index + 2, source: path,
          underlying: InvalidInputError("not a text and a label.", remediation: "Write text,label."),
          state: "")
      }
      return (record[0], record[1])
    }
  }
}

struct CalibrationReport: Report {
  var embedder: String
  var pairs: Int
  var curve: [Calibration.Point]
  var best: Calibration.Point?
  var metric: Calibration.Metric
  var format: Calibrate.Format

  var status: ExitStatus { best == nil ? .no : .done }

  var json: JSONOutput {
    [
      "embedder": JSONOutput(embedder), "pairs": JSONOutput(pairs), "metric": JSONOutput(metric.rawValue),
      "threshold": JSONOutput(best?.threshold), "precision": JSONOutput(best?.precision),
      "recall": JSONOutput(best?.recall), "f1": JSONOutput(best?.f1),
      "curve": .array(
        curve.map {
          [
            "threshold": JSONOutput($0.threshold), "precision": JSONOutput($0.precision),
            "recall": JSONOutput($0.recall), "f1": JSONOutput($0.f1),
          ]
        }),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard format == .text else {
      let rows = [["threshold", "precision", "recall", "f1"]] + curve.map { cells($0, 6) }
      return String(rows.map(CSV.record).joined().dropLast())
    }
    var table = Table(
      ["THRESHOLD", "PRECISION", "RECALL", "F1"].map { .init(title: $0, isNumeric: true) } + [
        .init(title: "")
      ])
    // Every fifth point and the best: the whole curve is for JSON and CSV.
    for (index, point) in curve.enumerated() where index % 5 == 0 || point == best {
      let bar = String(repeating: "#", count: Int((point.f1 * 30).rounded()))
      table.rows.append(cells(point, 3) + [bar + (point == best ? "  <- best" : "")])
    }
    let verdict =
      best.map {
        "threshold \(decimals($0.threshold, 2)): precision \(decimals($0.precision, 3)), "
          + "recall \(decimals($0.recall, 3)), F1 \(decimals($0.f1, 3))"
      } ?? "no threshold meets the constraints"
    return
      "\(visible(embedder)), \(grouped(pairs)) pairs, by \(metric.rawValue)\n\n\(table.text(style))\n\n\(verdict)"
  }

  private func cells(_ point: Calibration.Point, _ digits: Int) -> [String] {
    [decimals(point.threshold, 2)]
      + [point.precision, point.recall, point.f1].map { decimals($0, digits) }
  }
}
