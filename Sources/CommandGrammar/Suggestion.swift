/// The candidate that was probably meant, or nil when none is near.
///
/// Near is a name that takes few slips of the hand to get to: one for a short word, one more for every three
/// letters. Failing that, a name of which the word is the beginning or one of the hyphenated parts: `quota`
/// for `set-quota`. Among equals the first candidate wins, so the order of the table decides, not chance.
func nearestName(to word: String, among candidates: [String]) -> String? {
  // A word of any length may come in; no name is so long that a third of it would matter.
  let allowed = min(max(1, word.utf8.count / 3), 4)
  var best: (name: String, distance: Int)?
  for candidate in candidates where abs(candidate.utf8.count - word.utf8.count) <= allowed {
    let distance = editDistance(word, candidate)
    if distance <= allowed, distance < candidate.utf8.count, distance < best?.distance ?? .max {
      best = (candidate, distance)
    }
  }
  if let best { return best.name }
  guard word.utf8.count >= 2 else { return nil }
  return candidates.first { $0.hasPrefix(word) || $0.split(separator: "-").contains(word[...]) }
}

/// How many slips lie between two words: a letter too many, too few, another one, or two neighbours swapped.
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
