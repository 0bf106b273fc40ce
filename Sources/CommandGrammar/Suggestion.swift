/// The candidates that were probably meant: those that are nearest, three at most, in their own order.
///
/// Near is a name that takes few slips of the hand to get to: one for a short word, one more for every three
/// letters. Failing that, a name of which the word is the beginning or one of the hyphenated parts: `quota`
/// for `set-quota`.
func nearestNames(to word: String, among candidates: [String]) -> [String] {
  // A word of any length may come in; no name is so long that a third of it would matter.
  let allowed = min(max(1, word.utf8.count / 3), 4)
  var nearest: (names: [String], distance: Int) = ([], allowed)
  for candidate in candidates where abs(candidate.utf8.count - word.utf8.count) <= allowed {
    let distance = editDistance(word, candidate)
    if distance < candidate.utf8.count, distance <= nearest.distance, !nearest.names.contains(candidate) {
      nearest = (distance < nearest.distance ? [candidate] : nearest.names + [candidate], distance)
    }
  }
  if !nearest.names.isEmpty { return Array(nearest.names.prefix(3)) }
  guard word.utf8.count >= 2 else { return [] }
  let parts = candidates.first { $0.hasPrefix(word) || $0.split(separator: "-").contains(word[...]) }
  return parts.map { [$0] } ?? []
}

/// The first of the nearest candidates, or nil when none is near: the order of the table decides, not chance.
package func nearestName(to word: String, among candidates: [String]) -> String? {
  nearestNames(to: word, among: candidates).first
}

/// `Did you mean '--list' or '--limit'?`, or nil where there is nothing to offer.
func didYouMean(_ offers: [String]) -> String? {
  offers.isEmpty ? nil : "Did you mean \(list(offers.map { "'\($0)'" }, "or"))?"
}

/// Counts the typing errors between two words: a letter too many, too few, another one, or two neighbours swapped.
///
/// The Damerau-Levenshtein distance in its restricted form (optimal string alignment): F. J. Damerau, "A
/// technique for computer detection and correction of spelling errors", Communications of the ACM 7(3), 1964.
/// Compared by letters without case, so that `--TTL` is near `--ttl`.
func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.lowercased().unicodeScalars)
  let b = Array(b.lowercased().unicodeScalars)
  var beforeLast: [Int] = []
  var last = Array(0...b.count)
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var distance = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        distance = min(distance, beforeLast[j - 1] + 1)
      }
      row.append(distance)
    }
    beforeLast = last
    last = row
  }
  return last[b.count]
}
