import CommandGrammar
import Mneme
import MnemeRedis

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
    "labelled", value: .file(), summary: "a CSV of texts and labels",
    details: """
      Texts with the same label mean the same. The first line is a heading. Half of the texts are stored, and the \
      other half are asked: the nearest stored text answers, and is right if it has the same label.
      """)
  static let seed = Option(
    "seed", value: .integer("N", 0...Int.max), default: 1, summary: "which half of the texts is stored")
  static let fromCache = Switch(
    "from-cache", summary: "calibrate with the entries of the cache",
    details: """
      Each query is asked as if its own entry were not in the cache. The nearest other entry of its namespace \
      answers, and is right if it has the same response. This needs no embedder. {command:audit} shows the entries \
      too.
      """)
  static let metric = Option(
    "metric", value: .choice(Calibration.Metric.self, "METRIC"), default: .f1,
    summary: "the measure by which the threshold is best")
  static let minPrecision = Option(
    "min-precision", value: .number("F", 0...1), default: 0,
    summary: "the least share of right answers among the answers")
  static let minRecall = Option(
    "min-recall", value: .number("F", 0...1), default: 0,
    summary: "the least share of matches or questions answered")
  static let precision = Option(
    "vectors", value: .choice(VectorPrecision.self, "FORM"), default: .float32,
    summary: "the precision of the vectors")
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), default: .text, summary: "the output format")

  static let spec = CommandSpec(
    name: "calibrate", summary: "find the threshold for an embedder",
    description: """
      Finds the threshold that is best at {option:metric} among those that meet the constraints, and prints it with \
      the curve. It asks labelled questions of a cache made of other questions, or the queries of the cache itself, \
      so that each question meets its nearest neighbour as in real use. Pairs chosen by hand ({option:paraphrases}) \
      show less, because they leave out the neighbours that nobody thought of. Only {option:from-cache} needs a \
      server.

      The figures apply to the given questions. A cache with more entries answers more questions, rightly and \
      wrongly. The interval shows how far chance alone may have moved the share of right answers.
      """,
    options: [
      labelled, seed, fromCache, Options.onlyNamespace, paraphrases, distractors, metric, minPrecision,
      minRecall, precision, format, Options.noNormalize,
    ] + EmbedderChoice.options,
    rules: [
      .exactlyOne(of: labelled, fromCache, paraphrases), .dependency(of: paraphrases, on: distractors),
      .dependency(of: distractors, on: paraphrases), .dependency(of: seed, on: labelled),
      .dependency(of: Options.onlyNamespace, on: fromCache), .dependency(of: precision, on: paraphrases),
      .exclusion(of: fromCache, from: [Options.noNormalize] + EmbedderChoice.options), EmbedderChoice.rule,
    ],
    examples: [
      Example(
        command: "mneme calibrate --from-cache --min-precision 0.99",
        says: "find the threshold with the best F1 among those with 99 % of right answers"),
      Example(
        command: "mneme calibrate --labelled q.csv --metric recall --min-precision 0.99",
        says: "find the one among these with the most right answers"),
      Example(
        command: "mneme calibrate --paraphrases same.jsonl --distractors other.jsonl",
        says: "find the threshold that best separates these pairs"),
    ],
    exitNotes: [
      ExitNote(
        1,
        "no threshold meets the constraints, or with {option:from-cache} there is no cache or no such namespace"
      )
    ], isMinor: true)

  enum Source {
    case pairs(paraphrases: String, distractors: String)
    case labelled(String, seed: UInt64)
    case cache(Namespace?)
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
      source = .labelled(file, seed: UInt64(invocation[Self.seed]))
    default: source = .cache(invocation[Options.onlyNamespace])
    }
    metric = invocation[Self.metric]
    minPrecision = invocation[Self.minPrecision]
    minRecall = invocation[Self.minRecall]
    precision = invocation[Self.precision]
    format = invocation[Self.format]
    embedder = EmbedderChoice(invocation)
    normalizes = !invocation[Options.noNormalize]
    if format == .csv, invocation[Options.json] {
      throw invocation.usageError(
        "--format csv and --json exclude each other", suggestion: "Leave one of them out.")
    }
  }

  func run(_ context: Context) throws -> any Report {
    switch source {
    case .pairs(let paraphrases, let distractors):
      let embedder = try makeEmbedder(context)
      let pairs =
        try readPairs(from: paraphrases, isMatch: true) + readPairs(from: distractors, isMatch: false)
      let observations = try observe(pairs, embedder, context)
      return report(try Calibration(observations), of: embedder.fingerprint, pairs: pairs.count)
    case .labelled(let path, let seed):
      let embedder = try makeEmbedder(context)
      let (stored, asked) = LabelledText.halves(of: try readLabelled(from: path), seed: seed)
      let progress = ProgressLine(context, unit: "texts", total: stored.count + asked.count)
      let vectors = try embed(stored + asked, embedder, progress)
      guard !asked.isEmpty else {
        throw InputError("'\(path)' has no two different texts.", remediation: "Give more texts.")
      }
      let table = LeaveOneOut(
        asking: Array(vectors[stored.count...]), of: Array(vectors[..<stored.count]),
        thresholds: Calibration.defaultThresholds)
      return report(Calibration(table), of: embedder.fingerprint, asked: asked.count, table)
    case .cache(let namespace):
      let store = try context.openExistingStore()
      defer { store.close() }
      var chosen = Selection()
      if let namespace { chosen.namespaces = [namespace] }
      var options = AuditOptions()
      (options.thresholds, options.pairs) = (Calibration.defaultThresholds, 0)
      let audit = try CacheAudit(chosen, options, store, context)
      if let status = audit.interruption { throw Interruption(status: status) }
      if audit.namespaces.isEmpty, try context.noteAbsence(of: store, chosen.namespaces) {
        return NoReport(status: .no)
      }
      guard audit.namespaces.contains(where: { $0.result.compared > 1 }) else {
        throw InputError(
          "No namespace has two entries to compare.",
          remediation: "Calibrate with --labelled, or when the cache has more entries.")
      }
      var table = LeaveOneOut([], thresholds: options.thresholds)
      for (_, result) in audit.namespaces { table.add(result.leaveOneOut) }
      return report(
        Calibration(table), of: try store.identity()?.fingerprint ?? "none",
        asked: audit.namespaces.reduce(0) { $0 + $1.result.compared }, table)
    }
  }

  private func makeEmbedder(_ context: Context) throws -> any Embedder {
    let embedder = try embedder.embedder(for: nil, context.environment)
    guard embedder.dimension > 0 else {
      throw InputError(
        "The embedder 'none' makes no vectors to compare.", remediation: "Name the one that the cache has.")
    }
    return embedder
  }

  private func report(
    _ calibration: Calibration, of embedder: String, pairs: Int? = nil, asked: Int? = nil,
    _ table: LeaveOneOut? = nil
  ) -> CalibrationReport {
    let best = calibration.best(by: metric, minPrecision: minPrecision, minRecall: minRecall)
    let falseShare = table?.rows.first { $0.threshold == best?.threshold }?.interval
    return CalibrationReport(
      embedder: embedder, pairs: pairs, asked: asked, curve: calibration.curve, best: best,
      interval: falseShare.map { 1 - $0.upperBound...1 - $0.lowerBound }, metric: metric, format: format)
  }

  private func embed(
    _ texts: [LabelledText], _ embedder: any Embedder, _ progress: ProgressLine
  ) throws -> [(vector: Embedding, label: String)] {
    var vectors: [(vector: Embedding, label: String)] = []
    for start in stride(from: 0, to: texts.count, by: 64) {
      let batch = texts[start..<min(start + 64, texts.count)]
      let embedded = try embedder.embed(
        batch.map { normalizes ? QueryNormalizer.normalize($0.text) : $0.text })
      for (text, vector) in zip(batch, embedded) {
        vectors.append((try .normalizing(vector), text.label))
      }
      progress.update(vectors.count)
    }
    return vectors
  }

  /// Computes the similarity of each pair. A text in several pairs is embedded once.
  private func observe(
    _ pairs: [LabelledPair], _ embedder: any Embedder, _ context: Context
  ) throws -> [Calibration.Observation] {
    let progress = ProgressLine(context, unit: "pairs", total: pairs.count)
    // Compares bytes: texts that are equal to Swift can have different bytes, and different vectors.
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

  private func readLabelled(from path: String) throws -> [LabelledText] {
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
      return LabelledText(text: record[0], label: record[1])
    }
  }
}

struct CalibrationReport: Report {
  var embedder: String
  /// The pairs that were compared.
  var pairs: Int?
  /// The number of questions, if questions were asked instead of pairs.
  var asked: Int?
  var curve: [Calibration.Point]
  var best: Calibration.Point?
  /// The 95 % confidence interval of the precision at the best threshold.
  var interval: ClosedRange<Double>?
  var metric: Calibration.Metric
  var format: Calibrate.Format

  var status: ExitStatus { best == nil ? .no : .done }

  var json: JSONOutput {
    [
      "embedder": JSONOutput(embedder), "pairs": JSONOutput(pairs), "asked": JSONOutput(asked),
      "metric": JSONOutput(metric.rawValue),
      "threshold": JSONOutput(best?.threshold), "precision": JSONOutput(best?.precision),
      "precision_interval": interval.map { [JSONOutput($0.lowerBound), JSONOutput($0.upperBound)] } ?? nil,
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
    // Shows every fifth point and the best one. JSON and CSV have all.
    for (index, point) in curve.enumerated() where index % 5 == 0 || point == best {
      table.rows.append(cells(point, 3) + [point == best ? "<- best" : ""])
    }
    let chance =
      interval.map { " (95 %: \(decimals($0.lowerBound, 3)) to \(decimals($0.upperBound, 3)))" } ?? ""
    let verdict =
      best.map {
        "threshold \(decimals($0.threshold, 2)): precision \(decimals($0.precision, 3))\(chance), "
          + "recall \(decimals($0.recall, 3)), F1 \(decimals($0.f1, 3))"
      } ?? "no threshold meets the constraints"
    let extent = pairs.map { counted($0, "pair") } ?? asked.map { counted($0, "question") } ?? ""
    return
      "\(visible(embedder)), \(extent), by \(metric.rawValue)\n\n\(CurvePlot(curve: curve).text)\n\n"
      + "\(table.text(style))\n\n\(verdict)"
  }

  private func cells(_ point: Calibration.Point, _ digits: Int) -> [String] {
    [decimals(point.threshold, 2)]
      + [point.precision, point.recall, point.f1].map { decimals($0, digits) }
  }
}
