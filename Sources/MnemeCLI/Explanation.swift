import Mneme

/// The explanation of a lookup: what was compared, and which rule decided.
struct Explanation {
  /// The least similarity of a semantic hit.
  var threshold: Double
  /// The least confidence.
  var minConfidence: Double
  /// The number of candidates that are considered.
  var weighed: Int
  /// The moment of the lookup.
  var now: UnixTime
  /// Whether no semantic hit was wanted.
  var exactOnly: Bool

  /// The candidates as a table, and the rule that decided.
  func text(of lookup: Lookup, _ style: TerminalStyle) -> String {
    guard !lookup.candidates.isEmpty else { return rule(for: lookup) }
    var table = Table([
      .init(title: "ID", isNumeric: true), .init(title: "SIMILARITY", isNumeric: true),
      .init(title: "CONFIDENCE", isNumeric: true), .init(title: "AGE", isNumeric: true),
      .init(title: "TTL", isNumeric: true), .init(title: "USES", isNumeric: true),
      .init(title: "VERDICT"), .init(title: "QUERY", isFlexible: true),
    ])
    table.rows = lookup.candidates.map { candidate in
      let isGone = candidate.verdict == .gone
      return [
        "\(candidate.id)", isGone ? "-" : decimals(candidate.similarity, 3),
        isGone ? "-" : confidence(candidate.confidence), isGone ? "-" : shortSpan(candidate.age.rawValue),
        timeLeft(to: candidate), candidate.accessCount.map(String.init) ?? "-",
        verdict(on: candidate, lookup), visible(candidate.query),
      ]
    }
    return table.text(style) + "\n\n" + rule(for: lookup)
  }

  private func timeLeft(to candidate: Candidate) -> String {
    candidate.expiresAt.map { shortSpan(max(0, ($0 - now).rawValue)) } ?? "-"
  }

  private func verdict(on candidate: Candidate, _ lookup: Lookup) -> String {
    switch candidate.verdict {
    case .served: "served"
    case .belowThreshold: "below threshold"
    case .tooOld: "too old since \(shortSpan(sinceTooOld(candidate)))"
    case .lowConfidence: "confidence too low"
    case .expired: "expired"
    case .refused: "response refused"
    case .gone: "gone"
    case .notNeeded where lookup.hit?.layer == .exact: "exact hit served"
    case .notNeeded: "nearer one served"
    case .notWeighed: "not in nearest \(weighed)"
    }
  }

  private func sinceTooOld(_ candidate: Candidate) -> Int64 {
    candidate.lowConfidenceSince.map { max(0, (now - $0).rawValue) } ?? 0
  }

  /// The rule that made it a hit or a miss, in one sentence.
  private func rule(for lookup: Lookup) -> String {
    if let hit = lookup.hit {
      return hit.layer == .exact
        ? "exact hit: entry \(hit.id) has the same question"
        : "semantic hit: entry \(hit.id), similarity \(figure(hit.similarity)), "
          + "required \(figure(threshold))"
    }
    let nearest = lookup.candidates.first
    let figures: String? =
      switch lookup.missReason {
      case .belowThreshold:
        nearest.map { ": similarity \(figure($0.similarity)), required \(figure(threshold))" }
      case .lowConfidence:
        lookup.candidates.first { [.tooOld, .lowConfidence].contains($0.verdict) }.map {
          ": confidence \(figure($0.confidence)), required \(figure(minConfidence))"
        }
      default: nil
      }
    return "no answer: \(lookup.missReason?.text(exactOnly: exactOnly) ?? "nothing similar")\(figures ?? "")"
  }

  /// A confidence: old entries have a very small one.
  private func confidence(_ value: Double) -> String {
    value > 0 && value < 0.001 ? "<0.001" : decimals(value, 3)
  }

  /// A similarity with enough places to compare it with the threshold.
  private func figure(_ value: Double) -> String { decimals(value, 4) }
}

extension Candidate {
  var json: JSONOutput {
    [
      "id": JSONOutput(id), "query": JSONOutput(query), "similarity": JSONOutput(similarity),
      "confidence": JSONOutput(confidence), "age_seconds": JSONOutput(age),
      "verdict": JSONOutput(verdict.rawValue),
      "low_confidence_since": JSONOutput(lowConfidenceSince?.rawValue),
      "expires_at": JSONOutput(expiresAt?.rawValue), "access_count": JSONOutput(accessCount),
    ]
  }
}
