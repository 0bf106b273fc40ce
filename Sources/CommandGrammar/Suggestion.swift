/// Returns the candidates that were probably meant: at most the three nearest, in their own order.
///
/// A name is near if it differs by few typing errors: one for a short word, and one more for every three letters. If
/// there is none, names are returned of which the word is the beginning or a hyphenated part: `set-quota` for `quota`.
func nearestNames(to word: String, among candidates: [String]) -> [String] {
  // The word may be long, but names are short, so four errors are the limit.
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

/// Returns the first of the nearest candidates in the order of the table; nil if none is near.
package func nearestName(to word: String, among candidates: [String]) -> String? {
  nearestNames(to: word, among: candidates).first
}

/// `Did you mean '--list' or '--limit'?`, or nil if there is nothing to offer.
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
