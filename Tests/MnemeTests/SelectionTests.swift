import Mneme
import Testing

@Suite("The entries of a selection") struct SelectionTests {
  static let now = UnixTime(1_000_000)

  static func entry(
    _ query: String = "Where is my card?", _ response: String = "On its way.", metadata: String = "{}",
    created: Int64 = 0, used: Int64 = 0, ttl: Int64? = nil, uses: Int64 = 0, namespace: String = "default"
  ) throws -> StoredEntry {
    StoredEntry(
      id: EntryID(7), namespace: try Namespace(namespace), queryHash: QueryNormalizer.queryHash(query),
      query: query, response: response, embedding: .empty, metadata: metadata,
      createdAt: UnixTime(now.rawValue - created), lastAccessedAt: UnixTime(now.rawValue - used),
      ttl: ttl.map { Seconds($0) }, accessCount: uses)
  }

  static func holds(_ entry: StoredEntry, _ build: (inout Selection) -> Void) -> Bool {
    var selection = Selection()
    build(&selection)
    return selection.matches(entry, at: now)
  }

  @Test(
    "a text is found regardless of case and white space",
    arguments: [
      ("MY  CARD", true), ("on its\tway", true), ("card? on", false), ("cards", false), ("WAY.", true),
    ])
  func texts(text: String, isFound: Bool) throws {
    let text = try #require(SearchText(text))
    #expect(try Self.holds(Self.entry()) { $0.texts = [text] } == isFound)
  }

  @Test("each text must occur in the requested field")
  func fields() throws {
    let (card, way) = (try #require(SearchText("card")), try #require(SearchText("way")))
    let entry = try Self.entry()
    #expect(Self.holds(entry) { $0.texts = [card, way] })
    #expect(Self.holds(entry) { ($0.queryTexts, $0.responseTexts) = ([card], [way]) })
    #expect(!Self.holds(entry) { $0.queryTexts = [card, way] })
    #expect(!Self.holds(entry) { $0.responseTexts = [card] })
    #expect(SearchText(" \n") == nil)
  }

  @Test("case is folded in full, as in queries")
  func folding() throws {
    let text = try #require(SearchText("STRASSE"))
    #expect(try Self.holds(Self.entry("Welche Straße?")) { $0.texts = [text] })
    #expect(try Self.holds(Self.entry("x", "ΣΊΣΥΦΟΣ")) { $0.texts = [SearchText("σίσυφος")!] })
  }

  static let metadata = #"""
    {"source":{"document":"handbook","page":12},"tags":["a","b"],"ok":true,"none":null,"code":"12",
    "list":[{"id":1},{"id":2}],"big":12345678901234567890}
    """#

  @Test(
    "a member of the metadata is found by its path and value",
    arguments: [
      ("source.document", nil, true), ("source", nil, true), ("source.author", nil, false),
      ("source.document", "handbook", true), ("source.document", "hand", false),
      ("source.page", "12", true), ("source.page", "12.0", true), ("source.page", "\"12\"", false),
      ("code", "12", false), ("code", "\"12\"", true), ("tags", "b", true), ("tags", "c", false),
      ("ok", "true", true), ("ok", "false", false), ("none", "null", true), ("none", nil, true),
      ("list.id", "2", true), ("list.id", "3", false), ("big", "12345678901234567890", true),
      ("big", "12345678901234567891", false), ("tags.a", nil, false),
    ] as [(String, String?, Bool)])
  func members(path: String, value: String?, isFound: Bool) throws {
    let condition = try #require(MetadataCondition(path: path, value: value))
    #expect(try Self.holds(Self.entry(metadata: Self.metadata)) { $0.metadata = [condition] } == isFound)
  }

  @Test("a path with an empty part is refused", arguments: ["", ".", "a.", ".a", "a..b"])
  func paths(path: String) { #expect(MetadataCondition(path: path, value: nil) == nil) }

  @Test("if a name comes twice, the last member is used")
  func twice() throws {
    let condition = try #require(MetadataCondition(path: "a", value: "2"))
    #expect(try Self.holds(Self.entry(metadata: #"{"a":1,"a":2}"#)) { $0.metadata = [condition] })
  }

  @Test("expired entries do not match unless they are requested")
  func expiry() throws {
    let (over, soon, never) = (
      try Self.entry(created: 60, ttl: 60), try Self.entry(created: 60, ttl: 90), try Self.entry()
    )
    func held(_ expiry: Selection.Expiry) -> [Bool] {
      [over, soon, never].map { entry in Self.holds(entry) { $0.expiry = expiry } }
    }
    #expect(held(.notExpired) == [false, true, true])
    #expect(held(.any) == [true, true, true])
    #expect(held(.expired) == [true, false, false])
    #expect(held(.by(UnixTime(Self.now.rawValue + 30))) == [false, true, false])
    #expect(held(.by(UnixTime(Self.now.rawValue + 29))) == [false, false, false])
    #expect(held(.never) == [false, false, true])
  }

  @Test("ages, uses, size and namespace have their limits")
  func limits() throws {
    let entry = try Self.entry("q", "12345", created: 100, used: 10, uses: 3, namespace: "faq")
    let (then, before) = (UnixTime(Self.now.rawValue - 100), UnixTime(Self.now.rawValue - 101))
    #expect(Self.holds(entry) { $0.createdUntil = then })
    #expect(!Self.holds(entry) { $0.createdUntil = before })
    #expect(Self.holds(entry) { $0.createdAfter = before })
    #expect(!Self.holds(entry) { $0.createdAfter = then })
    #expect(Self.holds(entry) { $0.uses = 3...3 })
    #expect(!Self.holds(entry) { $0.uses = 4...Int64.max })
    #expect(Self.holds(entry) { $0.responseBytesAbove = 4 })
    #expect(!Self.holds(entry) { $0.responseBytesAbove = 5 })
    #expect(Self.holds(entry) { $0.namespaces = [entry.namespace] })
    #expect(!Self.holds(entry) { $0.namespaces = [.default] })
  }

  @Test("blank and error responses, and vectors that cannot be compared, are not servable")
  func unservable() throws {
    var (zero, broken) = (try Self.entry(), try Self.entry())
    zero.embedding = Embedding([0, 0])
    broken.raw = StoredEntry.RawTexts(query: [0xFF])
    let entries = [
      try Self.entry("q", " "), try Self.entry("q", "[ERROR] x"), zero, broken, try Self.entry(),
    ]
    #expect(
      entries.map { entry in Self.holds(entry) { $0.isUnservable = true } }
        == [true, true, true, false, false])
  }
}
