import CommandGrammar
import Mneme

/// `mneme calibrate`
struct Calibrate: Command {
  enum Format: String, CaseIterable, Sendable {
    case text, csv
  }

  static let paraphrases = Option(
    "paraphrases", value: .file(), summary: "a file of pairs that mean the same",
    details: "JSON lines: `{\"a\":\"one question\",\"b\":\"another\"}`.")
  static let distractors = Option(
    "distractors", value: .file(), summary: "a file of pairs that do not mean the same")
  static let labelled = Option(
    "labelled", value: .file(), summary: "a CSV of texts and labels to draw pairs from",
    details: "Two texts of one label mean the same. The first line is a heading.")
  static let pairs = Option(
    "pairs", value: .count("N", 1...1_000_000), default: 2000,
    summary: "how many pairs of each kind to draw")
  static let seed = Option(
    "seed", value: .integer("N", 0...Int.max), default: 1, summary: "the seed of the random choice")
  static let metric = Option(
    "metric", value: .choice(Calibration.Metric.self, "METRIC"), default: .f1,
    summary: "the measure by which the threshold is best")
  static let minPrecision = Option(
    "min-precision", value: .number("F", 0...1), default: 0, summary: "the least share of right answers")
  static let minRecall = Option(
    "min-recall", value: .number("F", 0...1), default: 0, summary: "the least share of matches served")
  static let precision = Option(
    "vectors", value: .choice(VectorPrecision.self, "FORM"), default: .float32,
    summary: "the precision of the vectors")
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), default: .text, summary: "the output format")

  static let spec = CommandSpec(
    name: "calibrate", summary: "find the threshold for an embedder",
    description: """
      Compares labelled pairs of questions and prints the threshold that is best by {option:metric} among those \
      that meet the constraints, and the curve. Needs no server.
      """,
    options: [
      paraphrases, distractors, labelled, pairs, seed, metric, minPrecision, minRecall, precision, format,
      Options.noNormalize,
    ] + EmbedderChoice.options,
    rules: [
      .exactlyOne(of: paraphrases, labelled), .dependency(of: paraphrases, on: distractors),
      .dependency(of: distractors, on: paraphrases), .dependency(of: pairs, on: labelled),
      .dependency(of: seed, on: labelled), EmbedderChoice.rule,
    ],
    examples: [
      Example(
        command: "mneme calibrate --labelled questions.csv --min-precision 0.99",
        says: "the threshold at which 99 of 100 answers are right"),
      Example(
        command: "mneme calibrate --paraphrases same.jsonl --distractors other.jsonl",
        says: "the threshold that balances right answers and misses"),
    ],
    exitNotes: [ExitNote(1, "no threshold meets the constraints")], isMinor: true)

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
  let embedder: EmbedderChoice
  let normalizes: Bool

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
    embedder = EmbedderChoice(invocation)
    normalizes = !invocation[Options.noNormalize]
  }

  func run(_ context: Context) throws -> any Report {
    let pairs = try readPairs()
    let embedder = try embedder.embedder(for: nil, context.environment)
    guard embedder.dimension > 0 else {
      throw InputError(
        "The embedder 'none' makes no vectors to compare.", remediation: "Name the one that the cache has.")
    }
    let calibration = try Calibration(try observe(pairs, embedder, context))
    return CalibrationReport(
      embedder: embedder.fingerprint, pairs: pairs.count, curve: calibration.curve,
      best: calibration.best(by: metric, minPrecision: minPrecision, minRecall: minRecall), metric: metric,
      format: format)
  }

  /// The similarity of each pair. A text in several pairs is embedded once.
  private func observe(
    _ pairs: [LabelledPair], _ embedder: any Embedder, _ context: Context
  ) throws -> [Calibration.Observation] {
    let progress = ProgressLine(context, unit: "pairs", total: pairs.count)
    // By bytes: texts that Swift takes for equal can be spelled apart, and embedded apart.
    var known: [[UInt8]: [Float]] = [:]
    var observations: [Calibration.Observation] = []
    for start in stride(from: 0, to: pairs.count, by: 32) {
      let batch = pairs[start..<min(start + 32, pairs.count)].map { pair in
        [pair.a, pair.b].map { Array((normalizes ? QueryNormalizer.normalize($0) : $0).utf8) }
      }
      let new = Array(Set(batch.joined()).subtracting(known.keys))
      let vectors = try embedder.embed(new.map { String(decoding: $0, as: UTF8.self) })
      for (text, vector) in zip(new, vectors) { known[text] = vector }
      for (texts, pair) in zip(batch, pairs[start...]) {
        let similarity = try Calibration.similarity(
          known[texts[0]] ?? [], known[texts[1]] ?? [], precision: precision)
        observations.append(.init(similarity: similarity, isMatch: pair.isMatch))
      }
      progress.update(observations.count)
    }
    return observations
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
          underlying: InputError(
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
      throw InputError(
        "The file '\(path)' is over \(size(limit)) or not UTF-8.",
        remediation: "Give a smaller sample in UTF-8.")
    }
    return try CSV.records(of: text).dropFirst().enumerated().map { index, record in
      guard record.count >= 2 else {
        throw LineError(
          line: index + 2, source: path,
          underlying: InputError("not a text and a label.", remediation: "Write text,label."),
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
      table.rows.append(cells(point, 3) + [point == best ? "<- best" : ""])
    }
    let verdict =
      best.map {
        "threshold \(decimals($0.threshold, 2)): precision \(decimals($0.precision, 3)), "
          + "recall \(decimals($0.recall, 3)), F1 \(decimals($0.f1, 3))"
      } ?? "no threshold meets the constraints"
    return
      "\(visible(embedder)), \(grouped(pairs)) pairs, by \(metric.rawValue)\n\n\(CurvePlot(curve: curve).text)\n\n"
      + "\(table.text(style))\n\n\(verdict)"
  }

  private func cells(_ point: Calibration.Point, _ digits: Int) -> [String] {
    [decimals(point.threshold, 2)]
      + [point.precision, point.recall, point.f1].map { decimals($0, digits) }
  }
}
