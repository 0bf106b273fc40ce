import TestSupport
import Testing

/// `mneme calibrate` compared with Python's `mneme.tools.calibrate`, on the same pairs and vectors: see
/// `Tests/Interop/calibration.py`.
@Suite("Calibration compared with Python", .needsPythonPeer)
struct CalibrationTests {
  @Test("gives the same threshold by every metric and constraint, and the same curve, in float32 and int8")
  func sameThresholds() throws {
    let directory = try TemporaryDirectory()
    let python = try PythonPeer.start("calibration.py", directory.path("."))
    let answers = try JSONValue(python.finish().expecting(0).outputText)
    let mneme = Mneme(url: "redis://127.0.0.1:1", prefix: "unused")
    var thresholds: Set<Double> = []
    for form in ["float32", "int8"] {
      let expected = answers[form]
      let cases = try #require(expected["best"].keys)
      #expect(cases.count == 12)
      for name in cases {
        let words = name.split(separator: " ").map(String.init)
        let best = expected["best"][name]
        let outcome = try mneme.run([
          "calibrate", "--json", "--paraphrases", directory.path("paraphrases.jsonl"), "--distractors",
          directory.path("distractors.jsonl"), "--embedder", "somebody:else:dim24", "--embedder-file",
          directory.path("vectors.jsonl"), "--vectors", form, "--metric", words[0], "--min-precision",
          words[1],
          "--min-recall", words[2],
        ]).expecting(best.isNull ? 1 : 0)
        let ours = try outcome.json()
        for (index, figure) in ["threshold", "precision", "recall", "f1"].enumerated() {
          #expect(ours[figure].double == best[index].double, "\(form), \(name): \(figure)")
        }
        if let threshold = ours["threshold"].double { thresholds.insert(threshold) }
        let curve = try #require(ours["curve"].array)
        let points = try #require(expected["curve"].array)
        #expect(curve.count == 50 && points.count == 50)
        for (ours, theirs) in zip(curve, points) {
          #expect(ours["threshold"].double == theirs[0].double)
          #expect(ours["precision"].double == theirs[1].double, "\(form) at \(theirs[0])")
          #expect(ours["recall"].double == theirs[2].double, "\(form) at \(theirs[0])")
        }
      }
    }
    #expect(thresholds.count >= 4, "cases that differ: \(thresholds)")
  }
}
