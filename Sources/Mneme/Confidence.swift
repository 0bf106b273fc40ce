import Glibc

/// The trust in a hit, which falls with its age, and the responses that are never served.
public enum Confidence {
  /// The least confidence of a semantic hit that is served.
  public static let cutoff = 0.7
  /// The age at which confidence has halved: 24 hours.
  public static let halfLife = Seconds(86_400)

  /// The confidence, `similarity × 0.5 ^ (age / 24 h)`. An age below zero (a writer's clock is ahead) counts as
  /// zero.
  public static func of(similarity: Double, age: Seconds) -> Double {
    similarity * pow(0.5, Double(max(0, age.rawValue)) / Double(halfLife.rawValue))
  }

  /// The age from which on the confidence is below `cutoff`: 24 h × log₂(similarity / cutoff), rounded up to a whole
  /// second; 0 if it always was, nil if it never will be.
  package static func age(belowCutoff cutoff: Double, similarity: Double) -> Seconds? {
    guard cutoff > 0 else { return similarity < cutoff ? Seconds(0) : nil }
    guard similarity >= cutoff else { return Seconds(0) }
    return Seconds(Int64((Double(halfLife.rawValue) * log2(similarity / cutoff)).rounded(.up)))
  }
}

/// A rule that decides whether a response may be stored and served.
public typealias Validator = @Sendable (_ response: String) -> Bool

/// Refuses responses that are empty or blank, or that start with `[LLM Error]` or `[ERROR]`.
@Sendable
public func defaultValidator(_ response: String) -> Bool {
  guard response.unicodeScalars.contains(where: { !QueryNormalizer.isWhiteSpace($0) }) else { return false }
  // Compares bytes, because Swift joins a combining mark after the bracket with it to another character.
  return !response.utf8.starts(with: "[LLM Error]".utf8) && !response.utf8.starts(with: "[ERROR]".utf8)
}
