import CTextLibraries
import Foundation
import Mneme
import TestSupport
import Testing

/// A query has the same hash in both languages, so that either finds what the other stored.
@Suite(.needsPythonPeer) struct QueryHashTests {
  /// The version of Unicode that folds case here.
  static let unicode = String(cString: utf8proc_unicode_version())

  @Test(
    "every code point that both versions of Unicode have, or neither, has the same hash alone and inside a word"
  )
  func everyCodePoint() throws {
    let directory = try TemporaryDirectory()
    // Ideographs, tags and private use have no upper case: a sample of them will do.
    let step = Effort.isThorough ? 8 : 32
    let python = try PythonPeer.start("query_hashes.py", directory.path("hashes"), "\(step)")
    let version = try python.finish(within: .seconds(300)).expecting(0).outputText
      .trimmingCharacters(in: .newlines)
    let theirs = try Data(contentsOf: URL(filePath: directory.path("hashes")), options: .alwaysMapped)
    let points = [0..<0xD800, 0xE000..<0x110000].joined().filter { $0 < 0x20000 || $0 % step == 0 }
    try #require(theirs.count == points.count * 33)

    var different: [String] = []
    var contested = 0
    theirs.withUnsafeBytes { bytes in
      var record = bytes.baseAddress!
      for point in points {
        defer { record += 33 }
        let character = String(Unicode.Scalar(UInt32(point))!)
        if hash(of: character, begins: record) && hash(of: "wO\(character)Rd", begins: record + 16) {
          continue
        }
        // A code point that one side's Unicode has and the other's has not may be folded by one alone.
        let isTheirs = record.load(fromByteOffset: 32, as: UInt8.self) == UInt8(ascii: "1")
        if isTheirs == (utf8proc_category(Int32(point)) != UTF8PROC_CATEGORY_CN) {
          different.append("U+" + String(point, radix: 16, uppercase: true))
        } else {
          contested += 1
        }
      }
    }
    #expect(different.isEmpty, "\(different.count) code points, first \(different.prefix(10))")
    print(
      "query_hash: Unicode \(QueryHashTests.unicode) here, \(version) in Python; of \(points.count) code points, alone and in a"
        + " word, \(different.count + contested) hash apart, \(contested) of them known to one side alone")
    if version == QueryHashTests.unicode { #expect(contested == 0) }
  }

  @Test(
    "every white space, and every pair of them, is trimmed and collapsed in the same way, and similar characters are not"
  )
  func whiteSpace() throws {
    let spaces =
      [0x09...0x0D, 0x1C...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029]
      .flatMap(Array.init) + [0x202F, 0x205F, 0x3000]
    let lookalikes = [
      0x00, 0x08, 0x0E, 0x1B, 0x7F, 0x84, 0xAD, 0x180E, 0x200B, 0x200D, 0x2060, 0x2800, 0xFEFF,
    ]
    let all = (spaces + lookalikes).map { String(Unicode.Scalar(UInt32($0))!) }
    try compare(
      all.flatMap { a in all.flatMap { b in ["\(a)x\(b)", "x\(a)\(b)y", "\(a)\(b)", "x\(a)y\(b)z"] } })
  }

  @Test("case folding does not depend on the letters around a letter")
  func context() throws {
    var random = SeededGenerator()
    let letters = Array(
      "aZßẞıİiIσςΣΐ\u{1FB3}ᾼǆǅǄﬁﬃŉῼᏸᏰ\u{AB70}ᲐაẚK\u{212A}Å\u{212B}\u{345}\u{307}\u{301}e\u{1E9B}𐐀𞤀Ⓐ٣\u{200D}’ ."
        .unicodeScalars)
    try compare(
      (0..<4000).map { _ in
        let length = Int.random(in: 1...10, using: &random)
        return String(
          String.UnicodeScalarView((0..<length).map { _ in letters.randomElement(using: &random)! }))
      })
  }

  @Test(
    "with --no-normalize entries are served and stored for an application that does not normalize queries")
  func asTheyAre() throws {
    let cache = try CacheFixture("as-they-are")
    try cache.python("cache = open_cache(normalize=False)\ncache.put('  Straße ', 'theirs')")
    #expect(try cache.mneme.run("get", "--exact", "--no-normalize", "  Straße ").outputText == "theirs\n")
    try cache.mneme.run("get", "--exact", "  Straße ", expecting: 1)
    try cache.mneme.run("put", "--no-normalize", "STRASSE", "ours")
    #expect(
      try cache.python("cache.get('STRASSE').response, cache._store.count()").description == #"["ours",2]"#)
    try cache.mneme.run("delete", "--no-normalize", "  Straße ")
    #expect(try CacheCheck(cache).entries.count == 1)
  }

  private func compare(_ texts: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let list = try JSONSerialization.data(withJSONObject: texts, options: .withoutEscapingSlashes)
    let hashes = try PythonPeer.shared.run(
      """
      from mneme._normalize import hash_query, normalize
      [hash_query(normalize(text)) for text in json.loads(r'''\(String(decoding: list, as: UTF8.self))''')]
      """, url: try RedisServer.shared().url, prefix: uniquePrefix("hash"))
    for (text, hash) in zip(texts, try #require(hashes.array)) {
      #expect(
        QueryNormalizer.queryHash(text) == hash.string, "\(text.debugDescription)",
        sourceLocation: sourceLocation)
    }
    #expect(hashes.array?.count == texts.count, sourceLocation: sourceLocation)
  }

  /// Whether the first 16 digits of a query's hash are these.
  private func hash(of query: String, begins digits: UnsafeRawPointer) -> Bool {
    var hash = QueryNormalizer.queryHash(query)
    return hash.withUTF8 { memcmp($0.baseAddress!, digits, 16) == 0 }
  }
}
