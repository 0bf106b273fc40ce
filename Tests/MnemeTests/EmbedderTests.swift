import Foundation
import TestSupport
import Testing

@testable import Mneme

@Suite("The built-in embedder")
struct HashedNgramEmbedderTests {
  let embedder = HashedNgramEmbedder()

  func similarity(_ a: String, _ b: String) throws -> Double {
    try Calibration.similarity(
      embedder.embed(QueryNormalizer.normalize(a)), embedder.embed(QueryNormalizer.normalize(b)))
  }

  @Test("has a fingerprint with its definition and dimension")
  func identity() {
    #expect(embedder.fingerprint == "mneme:hashed-ngrams-v1:dim384")
    #expect(embedder.dimension == 384)
    #expect(embedder.embed(["a", "b"]).map(\.count) == [384, 384])
  }

  // Made once by Fixtures/hashed_ngrams.py. A change here is another embedder, and wants another name.
  @Test(
    "gives the same bytes in every release",
    arguments: [
      ("how do i reset my password?", 0xd144_2d70_0dd2_4c51),
      ("i can't log in – what's wrong?", 0xb65d_ce7d_a533_91cd),
      ("c++ or c#: 2+2", 0xd45e_060a_00bb_b46b),
      ("wie ändere ich mein passwort", 0x08a3_134c_2af3_7784),
      ("如何重置我的密码", 0x237a_28a2_9c70_f92e),
      ("รีเซ็ตรหัสผ่าน", 0xebbf_8a14_cb6a_11d2),
      ("😀", 0x1467_625d_be1c_e4c5),
      ("???", 0x5df4_476b_7b64_cd65),
      ("", 0x247e_a472_6e41_68a5),
    ] as [(String, UInt64)])
  func frozen(text: String, digest: UInt64) throws {
    let bytes = Embedding(try embedder.embed(text)).bytes
    #expect(bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } == digest)
  }

  @Test("has length 1 for every text, an empty one too", arguments: ["", " ", "?!", "\u{301}", "a", "the"])
  func length(text: String) throws {
    let sum = try embedder.embed(text).reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(sum - 1) < 1e-6)
  }

  @Test("gives different vectors for different texts without words")
  func wordless() throws {
    #expect(try similarity("???", "!!!") < 0.5)
    #expect(try similarity("", "?") < 0.5)
  }

  @Test(
    "finds a paraphrase with the same words similar",
    arguments: [
      ("how do I reset my password", "How can I reset my password?"),
      ("how do I reset my password", "I want to reset my password"),
      ("what is the capital of France", "what's the capital of france?"),
      ("i cant log in", "I can’t log in!"),
      ("list the files in a directory", "Listing files in the directory"),
      ("why was my order cancelled", "Why is my order canceled?"),
      ("what colours are available", "What colors are available?"),
      ("how do i export a report as pdf", "how can I export reports as PDF"),
    ])
  func paraphrases(a: String, b: String) throws {
    #expect(try similarity(a, b) >= 0.85)
  }

  @Test(
    "does not find texts similar that differ in the decisive word",
    arguments: [
      ("cancel card", "activate card"),
      ("how do I cancel my card", "how do I activate my card"),
      ("how do I activate my card", "how do I deactivate my card"),
      ("how do I lock my account", "how do I unlock my account"),
      ("what is the capital of Iran", "what is the capital of Iraq"),
      ("what happened in 1914", "what happened in 1945"),
      ("my card works", "my card does not work"),
      ("c++ tutorial", "c# tutorial"),
      ("what is 2+2", "what is 2*2"),
      ("取消我的订单", "查询我的订单"),
      ("как отменить заказ", "как оформить заказ"),
    ])
  func decisiveWords(a: String, b: String) throws {
    #expect(try similarity(a, b) < 0.82)
  }

  @Test("gives unrelated questions a low similarity")
  func unrelated() throws {
    #expect(try similarity("how do I reset my password", "what is your refund policy") < 0.3)
    #expect(try similarity("how do I bake bread", "how do I fix a flat tyre") < 0.3)
  }

  @Test("folds the case of ASCII, for callers that do not normalize")
  func asciiCase() throws {
    #expect(try embedder.embed("Reset PASSWORD") == embedder.embed("reset password"))
  }

  @Test("embeds a query of the largest size, in words or as one")
  func longest() throws {
    for text in [String(repeating: "x", count: 32_768), String(repeating: "a1 b2 ", count: 5461)] {
      #expect(try embedder.embed(text).allSatisfy(\.isFinite))
    }
  }

  @Test("agrees byte for byte with a second implementation, in Python")
  func secondImplementation() throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(
      path: "Fixtures/hashed_ngrams.py")
    let texts = Self.strangeTexts
    let lines = try texts.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) + "\n" }
    let python = try ChildProcess(["python3", script.path])
    let expected = try python.finish(input: Array(lines.joined().utf8)).expecting(0).outputLines
    try #require(expected.count == texts.count)
    for (text, hex) in zip(texts, expected) {
      let bytes = Embedding(try embedder.embed(text)).bytes
      let ours = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
      let isSame = ours == hex
      #expect(isSame, "\(text.debugDescription)")
    }
  }

  /// Texts made of parts that the definition treats apart, in every order that a seeded generator finds.
  static var strangeTexts: [String] {
    let parts = [
      " ", "  ", "'", "’", "'s", "'t", "'ll", "n't", "can't", "won’t", "O'Brien", "rock'n'roll", "-", "?",
      "!", ".",
      "+", "c++", "#", "£", "€", "50", "1,000", "a1", "ß", "é", "e\u{301}", "\u{200b}", "\u{a0}", "×", "→",
      "😀",
      "🇩🇪", "👩‍👩‍👧", "我", "如何重置", "パスワード", "한국어", "สวัสดีครับ", "ខ្មែរ", "привет", "مرحبا", "𠀀𠀁", "\u{fffd}",
      "\u{e000}", "the", "forgotten", "running", "addresses", "tried", "summarising", "colour", "speed",
      "agreed",
      "cities", "bus", "this", "processes", "need", "what", "where", "your", "für", "password", "log", "in",
      "\u{0}",
      "<", ">", "<a>", "A", "Z", "K", "\u{7f}", "_", "/", "\\", "\"", "…", "＋", "１", "ａ", "ﷺ", "゛", "〆",
    ]
    var random = SeededGenerator()
    func text() -> String {
      var text = ""
      for _ in 0..<Int.random(in: 1...9, using: &random) {
        text += parts.randomElement(using: &random)!
        if Bool.random(using: &random) { text += " " }
      }
      return text
    }
    return parts + (0..<400).map { _ in text() }
  }
}

@Suite("Words and stems")
struct WordsTests {
  func words(_ text: String) -> [String] {
    let words = Words(of: text)
    return (0..<words.count).map { String(decoding: words[$0], as: UTF8.self) }
  }

  @Test("Apostrophes separate words, and clitics and negations are recognized")
  func apostrophes() {
    #expect(words("what's o'brien’s card") == ["what", "o", "brien", "card"])
    #expect(
      words("i can't, he won’t, they cannot") == [
        "i", "can", "not", "he", "will", "not", "they", "can", "not",
      ])
    #expect(words("'quoted' rock'n'roll it''s") == ["quoted", "rock", "n", "roll", "it", "s"])
    #expect(words("dogs' tail'") == ["dogs", "tail"])
  }

  @Test("Symbols are words, punctuation is not")
  func symbols() {
    #expect(words("c++, c# & top-up: £50?") == ["c", "+", "+", "c", "#", "top", "up", "£", "50"])
    #expect(words("🇩🇪!") == ["🇩", "🇪"])
    #expect(words(" … ") == [])
  }

  @Test("Scripts without spaces are cut into overlapping pieces")
  func unspaced() {
    #expect(words("重置密码 x 我") == ["重置", "置密", "密码", "x", "我"])
    #expect(words("สวัสดี").map { $0.unicodeScalars.count } == [4, 4, 4])
    #expect(words("비밀번호 재설정") == ["비밀번호", "재설정"])
  }

  @Test(
    "A stem is the same for the forms of a word",
    arguments: [
      ["cancel", "cancels", "cancelled", "cancelling", "canceled"],
      ["charge", "charges", "charged", "charging"],
      ["currency", "currencies"], ["try", "tries", "tried", "trying"],
      ["process", "processes", "processing"],
      ["top", "topped", "topping"], ["summarize", "summarise", "summarising", "summarized"],
      ["colour", "colors", "coloured"], ["forget", "forgot", "forgotten"], ["use", "used", "using", "uses"],
      ["address", "addresses"], ["call", "calling", "calls"],
    ])
  func stems(forms: [String]) {
    #expect(Set(forms.map { Stem(of: Array($0.utf8)[...]).bytes }).count == 1)
  }

  @Test(
    "Short words, words of other alphabets and words that only look like forms stay",
    arguments: ["ing", "bed", "ring", "string", "bus", "this", "need", "speed", "für", "città", "a1s"])
  func unchanged(word: String) {
    #expect(Stem(of: Array(word.utf8)[...]).bytes == Array(word.utf8))
  }

  @Test("Weights go by the stem")
  func roles() {
    func role(_ word: String) -> WordRole { Lexicon.role(of: Stem(of: Array(word.utf8)[...])) }
    #expect(role("the") == .filler)
    #expect(role("wanted") == .light)
    #expect(role("giving") == .medium)
    #expect(role("not") == .full)
    #expect(role("password") == .full)
  }
}

@Suite("Embedders")
struct EmbedderTests {
  struct Miscounting: Embedder {
    let fingerprint = "test:miscounting:dim1"
    let dimension = 1
    let count: Int
    func embed(_ texts: [String]) -> [[Float]] { Array(repeating: [1], count: count) }
  }

  @Test("One text takes one vector; any other number is the embedder's error", arguments: [0, 2])
  func otherNumber(count: Int) throws {
    #expect(throws: EmbedderError.self) { try Miscounting(count: count).embed("text") }
    #expect(try Miscounting(count: 1).embed("text") == [1])
  }
}
