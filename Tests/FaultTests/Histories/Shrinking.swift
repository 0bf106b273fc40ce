/// The shortest history found by leaving out steps that still goes wrong, trying halves first and single steps last
/// (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002, without the complements).
/// - Parameter fails: plays a history on new places; true when it goes wrong.
func shrunk<Element>(_ history: [Element], fails: ([Element]) -> Bool) -> [Element] {
  var history = history
  var size = history.count / 2
  while size > 0 {
    var start = 0
    var isShorter = false
    while start < history.count {
      var candidate = history
      candidate.removeSubrange(start..<min(start + size, history.count))
      if fails(candidate) {
        history = candidate
        isShorter = true
      } else {
        start += size
      }
    }
    if !isShorter { size /= 2 }
  }
  return history
}
