import Mneme

/// Says why a lookup served what it served, or nothing.
struct Explanation {
  /// The least similarity that was asked for.
  var threshold: Double
  /// The least confidence.
  var minConfidence: Double
  /// How many candidates decide.
  var weighed: Int
  /// The moment of the lookup.
  var now: UnixTime

  /// The candidates as a table, and the rule that decided.
  func text(of lookup: Lookup, _ style: TerminalStyle) -> String {
    guard !lookup.candidates.isEmpty else { return rule(for: lookup) }
    var table = Table([
      .init(title: "ID", isNumeric: true), .init(title: "SIMILARITY", isNumeric: true),
      .init(title: "CONFIDENCE", isNumeric: true), .init(title: "AGE", isNumeric: true),
      .init(title: "VERDICT"), .init(title: "QUERY", isFlexible: true),
    ])
    table.rows = lookup.candidates.map { candidate in
      let isGone = candidate.verdict == .gone
      return [
        "\(candidate.id)", isGone ? "-" : decimals(candidate.similarity, 3),
        isGone ? "-" : decimals(candidate.confidence, 3), isGone ? "-" : span(candidate.age.rawValue),
        verdict(on: candidate), visible(candidate.query),
      ]
    }
    return table.text(style) + "\n\n" + rule(for: lookup)
  }

  private func verdict(on candidate: Candidate) -> String {
    switch candidate.verdict {
    case .served: "served"
    case .belowThreshold: "below the threshold"
    case .lowConfidence: "confidence too low \(since(candidate))"
    case .expired: "expired"
    case .refused: "refused by the validator"
    case .gone: "gone"
    case .notNeeded: "a nearer one was served"
    case .notWeighed: "only the nearest \(weighed) count"
    }
  }

  private func since(_ candidate: Candidate) -> String {
    let span = candidate.lowConfidenceSince.map { now - $0 } ?? candidate.age
    return span < candidate.age ? "for \(MnemeCLI.span(max(0, span.rawValue)))" : "from the start"
  }

  /// One sentence: which rule made it a hit or a miss.
  private func rule(for lookup: Lookup) -> String {
    if let hit = lookup.hit {
      return hit.layer == .exact
        ? "exact hit: entry \(hit.id) is the very question, so that nothing else was weighed"
        : "hit by meaning: entry \(hit.id) is the nearest that may be served, \(figure(hit.similarity)) similar where "
          + "\(figure(threshold)) is asked for"
    }
    let nearest = lookup.candidates.first
    let figures: String? =
      switch lookup.missReason {
      case .belowThreshold:
        nearest.map { ": \(figure($0.similarity)) where \(figure(threshold)) is asked for" }
      case .lowConfidence:
        lookup.candidates.first { $0.verdict == .lowConfidence }.map {
          ": \(figure($0.confidence)) where \(figure(minConfidence)) is asked for, and it halves every 24 hours"
        }
      case .noMatch where nearest != nil:
        ": of the nearest \(min(weighed, lookup.candidates.count)) none may be served"
      default: nil
      }
    return "no answer: \(lookup.missReason?.text ?? "nothing like it")\(figures ?? "")"
  }

  /// A similarity to as many places as tell it from the threshold beside it.
  private func figure(_ value: Double) -> String { decimals(value, 4) }
}

extension Candidate {
  var json: JSONOutput {
    [
      "id": JSONOutput(id), "query": JSONOutput(query), "similarity": JSONOutput(similarity),
      "confidence": JSONOutput(confidence), "age_seconds": JSONOutput(age),
      "verdict": JSONOutput(verdict.rawValue),
      "low_confidence_since": JSONOutput(lowConfidenceSince?.rawValue),
    ]
  }
}
