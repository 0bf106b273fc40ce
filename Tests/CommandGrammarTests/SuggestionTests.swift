import Testing

@testable import CommandGrammar

@Suite("Nearest names")
struct SuggestionTests {
  @Test(
    "the distance counts letters too many, too few, others, and neighbours swapped",
    arguments: [
      ("", "", 0), ("a", "", 1), ("ttl", "ttl", 0), ("tll", "ttl", 1), ("tlt", "ttl", 1), ("get", "gte", 1),
      ("vaccum", "vacuum", 1), ("vacum", "vacuum", 1), ("kitten", "sitting", 3), ("ca", "abc", 3),
      ("TTL", "ttl", 0),
      ("naïve", "naive", 1),
    ])
  func distances(a: String, b: String, distance: Int) {
    #expect(editDistance(a, b) == distance)
    #expect(editDistance(b, a) == distance)
  }

  @Test(
    "a name is suggested when it is near, and none when nothing is",
    arguments: [
      ("gte", "get"), ("pit", "put"), ("vacum", "vacuum"), ("quota", "set-quota"),
      ("inspect", "inspect-keys"),
      ("GET", "get"), ("g", nil), ("x", nil), ("", nil), ("everything", nil), ("xyz", nil),
    ] as [(String, String?)])
  func suggestions(word: String, expected: String?) {
    #expect(nearestName(to: word, among: ["get", "put", "vacuum", "inspect-keys", "set-quota"]) == expected)
  }

  @Test("among names equally near, the first of the table is suggested")
  func ties() {
    #expect(nearestName(to: "cat", among: ["bat", "car", "hat"]) == "bat")
    #expect(nearestName(to: "cat", among: ["hat", "car", "bat"]) == "hat")
  }

  @Test("all that are equally near are offered, three at most, each once")
  func offers() {
    #expect(nearestNames(to: "liit", among: ["list", "limit", "order", "limit"]) == ["list", "limit"])
    #expect(nearestNames(to: "cat", among: ["bat", "car", "hat", "rat"]) == ["bat", "car", "hat"])
    #expect(didYouMean(["--list", "--limit"]) == "Did you mean '--list' or '--limit'?")
    #expect(didYouMean([]) == nil)
  }

  @Test("a word of any length is answered")
  func longWords() {
    #expect(nearestName(to: String(repeating: "get", count: 100_000), among: ["get", "put"]) == nil)
  }
}
