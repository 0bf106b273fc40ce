import Testing

@testable import Mneme

@Suite("Normalizing and hashing a query")
struct QueryNormalizerTests {
  // Expected values: Python 3.11, `re.sub(r"\s+", " ", text.strip()).casefold()`.
  @Test(
    "gives the results of Python",
    arguments: [
      ("  Hello   World\t\n", "hello world"), ("", ""), (" \u{3000}\u{85}", ""),
      ("a\u{1C}b\u{1F}c", "a b c"), ("a\u{200B}b", "a\u{200B}b"), ("Straße", "strasse"),
      ("İ", "i\u{307}"), ("ΣΑΣ ς", "σασ σ"), ("Ꭰ", "Ꭰ"), ("ꭰ", "Ꭰ"), ("ﬁn", "fin"),
      ("E\u{301}", "e\u{301}"), ("É", "é"), ("👩‍👩‍👧 OK", "👩‍👩‍👧 ok"), ("a\u{0}B", "a\u{0}b"),
    ])
  func normalizes(text: String, expected: String) {
    #expect(Array(QueryNormalizer.normalize(text).utf8) == Array(expected.utf8))
  }

  @Test(
    "what is not a hash is refused",
    arguments: [
      "", "x", String(repeating: "x", count: 64), String(repeating: "A", count: 64),
      String(repeating: "a", count: 63), String(repeating: "a", count: 65),
    ])
  func noHash(text: String) {
    #expect(throws: InvalidInputError.self) { try QueryNormalizer.check(hash: text) }
  }

  @Test("is the SHA-256 of the UTF-8 in lower-case hexadecimal digits")
  func hashes() {
    // FIPS 180-4 examples.
    #expect(
      QueryNormalizer.hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(QueryNormalizer.hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  @Test("distinguishes a precomposed letter from a decomposed one")
  func composes() {
    #expect(QueryNormalizer.queryHash("\u{E9}") != QueryNormalizer.queryHash("e\u{301}"))
  }

  @Test("can be disabled for applications that do not normalize queries")
  func plain() {
    #expect(QueryNormalizer.queryHash(" A ", normalizing: false) == QueryNormalizer.hash(" A "))
    #expect(QueryNormalizer.queryHash(" A ") == QueryNormalizer.hash("a"))
  }
}
