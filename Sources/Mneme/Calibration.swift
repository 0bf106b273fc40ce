/// The precision and recall of each threshold, measured with labelled pairs.
///
/// A pair of questions is served as one if their similarity is at least the threshold. *Precision* is the share of
/// matches among the pairs so served, *recall* the share of matches that are served, and *F1* their harmonic mean.
/// The figures are those of the peer library's `mneme.tools.calibrate`.
///
///     let calibration = try Calibration(pairs.map { pair in … })
///     calibration.best(by: .recall, minPrecision: 0.99)?.threshold
package struct Calibration: Sendable {
  /// The similarity and label of one pair of texts.
  package struct Observation: Sendable, Equatable {
    /// The cosine similarity of their vectors.
    package var similarity: Double
    /// Whether one text's answer serves the other.
    package var isMatch: Bool

    /// Both are taken as they are.
    package init(similarity: Double, isMatch: Bool) {
      self.similarity = similarity
      self.isMatch = isMatch
    }
  }

  /// One threshold and what comes of it. All in 0...1.
  package struct Point: Sendable, Equatable {
    /// Similarities from here on are served.
    package var threshold: Double
    /// 1 where nothing is served, so that a threshold beyond all distractors stays a candidate.
    package var precision: Double
    /// The share of the matches that are served.
    package var recall: Double
    /// 2 · precision · recall / (precision + recall); 0 where both are.
    package var f1: Double {
      precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall)
    }
  }

  /// The measure by which one threshold is better than another.
  package enum Metric: String, Sendable, CaseIterable {
    case f1
    case precision
    case recall
  }

  /// 0.50, 0.51 … 0.99.
  package static let defaultThresholds = (50...99).map { Double($0) / 100 }

  /// A point for each threshold, in the order given.
  package let curve: [Point]

  /// - Parameters:
  ///   - observations: matches and strangers, at least one of each.
  ///   - thresholds: which to try.
  /// - Throws: `InvalidInputError` without a match or without a stranger: nothing could be told apart.
  package init(_ observations: [Observation], thresholds: [Double] = Self.defaultThresholds) throws {
    let matches = observations.count { $0.isMatch }
    guard matches > 0, matches < observations.count else {
      throw InvalidInputError(
        "Calibrating takes pairs that match and pairs that do not; "
          + "there are none that \(matches > 0 ? "do not" : "do").",
        remedy: .provideBothKinds)
    }
    curve = thresholds.map { threshold in
      let served = observations.filter { $0.similarity >= threshold }
      let right = served.count { $0.isMatch }
      return Point(
        threshold: threshold,
        precision: served.isEmpty ? 1 : Double(right) / Double(served.count),
        recall: Double(right) / Double(matches))
    }
  }

  /// The first threshold of the curve with the highest metric among those that meet the constraints; nil when
  /// none does.
  package func best(
    by metric: Metric = .f1, minPrecision: Double = 0, minRecall: Double = 0
  ) -> Point? {
    func value(_ point: Point) -> Double {
      switch metric {
      case .f1: point.f1
      case .precision: point.precision
      case .recall: point.recall
      }
    }
    var best: Point?
    for point in curve where point.precision >= minPrecision && point.recall >= minRecall {
      if best.map({ value(point) > value($0) }) ?? true { best = point }
    }
    return best
  }
}

extension Calibration {
  /// The cosine similarity of two vectors of any length, with both in the precision that the index keeps them in.
  ///
  /// The vectors are normalised first. In int8 both are quantised here, as the peer library calibrates, while a
  /// search leaves its query in float32.
  /// - Precondition: the vectors are of one dimension.
  /// - Throws: `QuantizationError` for a zero vector, NaN or infinity.
  package static func similarity(
    _ a: [Float], _ b: [Float], precision: VectorPrecision = .float32
  ) throws -> Double {
    precondition(a.count == b.count, "vectors of one embedder have one dimension")
    let a = try Embedding.normalizing(a).numbers
    let b = try Embedding.normalizing(b).numbers
    var sum = 0.0
    for (x, y) in zip(a, b) {
      switch precision {
      case .float32: sum += Double(x) * Double(y)
      case .int8: sum += Double(restored(x)) * Double(restored(y))
      }
    }
    // The peer's dot product is a float32, and so is the index's.
    return Double(Float(sum))
  }

  /// A component through int8 and back.
  private static func restored(_ number: Float) -> Float {
    min(max((number * 127).rounded(.toNearestOrEven), -128), 127) / 127
  }
}

/// The form in which vectors are compared. The index of this library answers as float32 does; the Python library can be
/// told to keep int8 alone.
package enum VectorPrecision: String, Sendable, CaseIterable {
  /// The numbers as stored. Similarities are exact to float32.
  case float32
  /// Each component times 127, rounded to the nearest integer. Similarities move by up to some hundredths.
  case int8
}
