/// The precision and recall of each threshold, measured with labelled pairs.
///
/// A pair of questions is served as one if their similarity is at least the threshold. *Precision* is the share of
/// matches among the pairs so served, *recall* the share of matches that are served, and *F1* their harmonic mean.
/// The figures are those of the Python library's `mneme.tools.calibrate`.
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

    /// Makes an observation.
    package init(similarity: Double, isMatch: Bool) {
      self.similarity = similarity
      self.isMatch = isMatch
    }
  }

  /// One threshold and its results. All values are in 0...1.
  package struct Point: Sendable, Equatable {
    /// The least similarity that is served.
    package var threshold: Double
    /// The share of matches among the pairs served. It is 1 if nothing is served, so that a threshold above all pairs
    /// that do not match remains a candidate.
    package var precision: Double
    /// The share of the matches that are served.
    package var recall: Double
    /// 2 · precision · recall / (precision + recall); 0 if both are.
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
  ///   - observations: pairs that match and pairs that do not, at least one of each.
  ///   - thresholds: the thresholds to try.
  /// - Throws: `InvalidInputError` if there is no pair of one of the two kinds.
  package init(_ observations: [Observation], thresholds: [Double] = Self.defaultThresholds) throws {
    let matches = observations.count { $0.isMatch }
    guard matches > 0, matches < observations.count else {
      throw InvalidInputError(
        "Calibration needs pairs that match and pairs that do not; "
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
  /// The vectors are normalized first. With int8 both vectors are quantized, as in the Python library's calibration,
  /// while a search keeps its query in float32.
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
    // The dot products of the Python library and of the index are float32.
    return Double(Float(sum))
  }

  /// Converts a component to int8 and back.
  private static func restored(_ number: Float) -> Float {
    min(max((number * 127).rounded(.toNearestOrEven), -128), 127) / 127
  }
}

/// The form in which vectors are compared. The index of this library gives the results of float32. The Python library
/// can be configured to keep int8 only.
package enum VectorPrecision: String, Sendable, CaseIterable {
  /// The numbers as stored. Similarities are exact to float32.
  case float32
  /// Each component times 127, rounded to the nearest integer. Similarities move by up to some hundredths.
  case int8
}
