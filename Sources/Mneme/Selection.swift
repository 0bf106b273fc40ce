import Glibc

/// A choice of entries, as operators make it: all of its conditions must hold.
package struct Selection: Sendable {
  /// Entries of these namespaces; empty: of any.
  package var namespaces: Set<Namespace> = []
  /// Entries with these ids; nil: with any.
  package var ids: Set<EntryID>?
  /// Texts that the query or the response has, each in one of them.
  package var texts: [SearchText] = []
  package var queryTexts: [SearchText] = []
  package var responseTexts: [SearchText] = []
  package var metadata: [MetadataCondition] = []
  /// Put at this moment or before.
  package var createdUntil: UnixTime?
  /// Put after this moment.
  package var createdAfter: UnixTime?
  /// Last served at this moment or before.
  package var usedUntil: UnixTime?
  /// Last served after this moment.
  package var usedAfter: UnixTime?
  /// The number of uses, at least and at most.
  package var uses: ClosedRange<Int64> = 0...Int64.max
  /// The condition on the time to live. By default, expired entries do not match.
  package var expiry = Expiry.notExpired
  /// Responses of more than so many bytes.
  package var responseBytesAbove: Int?
  /// Whether only entries match that are never served, or only as an exact hit.
  package var isUnservable = false
  /// The least similarity to a vector.
  package var likeness: Likeness?

  /// Entries that can be removed because another entry, which must still exist, answers in their place; nil for no such
  /// condition.
  package var redundant: RedundantEntries?

  /// A condition on an entry's time to live.
  package enum Expiry: Sendable, Equatable {
    case notExpired
    case any
    case expired
    /// Expires by this moment, and has not expired yet.
    case by(UnixTime)
    /// Never expires.
    case never
  }

  /// A vector of length 1, and the least cosine similarity of an entry's vector to it.
  package struct Likeness: Sendable {
    package var vector: Embedding
    package var threshold: Double

    package init(vector: Embedding, threshold: Double) {
      (self.vector, self.threshold) = (vector, threshold)
    }
  }

  package init() {}

  /// Every entry, expired or not.
  package static let everything: Selection = {
    var selection = Selection()
    selection.expiry = .any
    return selection
  }()

  /// The large fields that are needed to decide, in addition to the small ones.
  package var fields: Fields {
    var fields: Fields = []
    if !texts.isEmpty || !queryTexts.isEmpty { fields.insert(.query) }
    if !texts.isEmpty || !responseTexts.isEmpty || responseBytesAbove != nil || isUnservable
      || redundant != nil
    {
      fields.insert(.response)
    }
    if !metadata.isEmpty { fields.insert(.metadata) }
    if isUnservable || likeness != nil { fields.insert(.embedding) }
    return fields
  }

  /// Fields of an entry that may be large, so that they are read only where something needs them.
  package struct Fields: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    package static let query = Fields(rawValue: 1)
    package static let response = Fields(rawValue: 2)
    package static let metadata = Fields(rawValue: 4)
    package static let embedding = Fields(rawValue: 8)
    package static let all: Fields = [.query, .response, .metadata, .embedding]
  }

  /// Whether an entry is among those chosen.
  /// - Parameter entry: with the fields that `fields` names.
  package func matches(_ entry: StoredEntry, at now: UnixTime) -> Bool {
    // The cheap conditions come first.
    (namespaces.isEmpty || namespaces.contains(entry.namespace))
      && ids?.contains(entry.id) ?? true
      && uses.contains(max(0, entry.accessCount))
      && isWithin(entry.createdAt, after: createdAfter, until: createdUntil)
      && isWithin(entry.lastAccessedAt, after: usedAfter, until: usedUntil)
      && hasExpiry(entry, at: now)
      && responseBytesAbove.map { entry.responseByteCount > $0 } ?? true
      && likeness.map { entry.embedding.dot($0.vector) >= $0.threshold } ?? true
      && (!isUnservable || !entry.isServable)
      && redundant?.isUnchanged(entry) ?? true
      && metadata.allSatisfy { $0.holds(for: entry.metadata) }
      && hasTexts(entry)
  }

  private func isWithin(_ time: UnixTime, after: UnixTime?, until: UnixTime?) -> Bool {
    after.map { time > $0 } ?? true && until.map { time <= $0 } ?? true
  }

  private func hasExpiry(_ entry: StoredEntry, at now: UnixTime) -> Bool {
    switch expiry {
    case .any: true
    case .notExpired: !entry.isExpired(at: now)
    case .expired: entry.isExpired(at: now)
    case .by(let moment): !entry.isExpired(at: now) && entry.expiresAt.map { $0 <= moment } ?? false
    case .never: entry.ttl == nil
    }
  }

  private func hasTexts(_ entry: StoredEntry) -> Bool {
    guard !texts.isEmpty || !queryTexts.isEmpty || !responseTexts.isEmpty else { return true }
    let query = texts.isEmpty && queryTexts.isEmpty ? [] : QueryNormalizer.normalizedBytes(of: entry.query)
    guard queryTexts.allSatisfy({ $0.isIn(query) }) else { return false }
    let missing = texts.filter { !$0.isIn(query) } + responseTexts
    if missing.isEmpty { return true }
    let response = QueryNormalizer.normalizedBytes(of: entry.response)
    return missing.allSatisfy { $0.isIn(response) }
  }
}

extension StoredEntry {
  /// Whether `get` serves it for its own question and for similar ones, apart from its time to live.
  package var isServable: Bool {
    defaultValidator(response) && (embedding.dimension == 0 || embedding.flaw == nil)
  }

  /// The bytes of the response as they are stored.
  package var responseByteCount: Int { raw?.response?.count ?? response.utf8.count }
}

/// A text to search for, regardless of white space and case.
package struct SearchText: Sendable, Equatable {
  private let bytes: [UInt8]

  /// - Returns: nil for a text that is empty or blank, which every text has.
  package init?(_ text: String) {
    bytes = QueryNormalizer.normalizedBytes(of: text)
    if bytes.isEmpty { return nil }
  }

  /// - Parameter normalized: a text in the form that `QueryNormalizer` returns.
  package func isIn(_ normalized: [UInt8]) -> Bool {
    normalized.withUnsafeBytes { text in
      bytes.withUnsafeBytes { wanted in
        guard let start = text.baseAddress, let sought = wanted.baseAddress else { return false }
        var offset = 0
        while offset + wanted.count <= text.count,
          let found = memchr(start + offset, Int32(wanted[0]), text.count - wanted.count + 1 - offset)
        {
          if memcmp(found, sought, wanted.count) == 0 { return true }
          offset = UnsafeRawPointer(found) - start + 1
        }
        return false
      }
    }
  }
}

/// A member that an entry's metadata must have.
package struct MetadataCondition: Sendable {
  /// The names that lead to it, from the outside in.
  package let path: [String]
  private let value: Value?

  fileprivate enum Value: Sendable, Equatable {
    case text(String)
    case number(Double, exactly: String)
    case word(String)
  }

  /// - Parameters:
  ///   - path: names, with a dot between each two.
  ///   - value: a JSON number, string, `true`, `false` or `null`, or else a text; nil: any value.
  /// - Returns: nil if a part of the path is empty.
  package init?(path: String, value: String?) {
    self.path = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if self.path.contains(where: \.isEmpty) { return nil }
    self.value = value.map { text in
      (try? JSONText(parsing: Array(text.utf8))).flatMap { Value($0) } ?? .text(text)
    }
  }

  /// - Parameter metadata: a JSON object.
  package func holds(for metadata: String) -> Bool {
    guard let object = JSONText(metadata: metadata) else { return false }
    return holds(for: object, path[...])
  }

  /// Whether the condition holds. A list satisfies it if one of its elements does.
  private func holds(for found: JSONText, _ path: ArraySlice<String>) -> Bool {
    if found.kind == .array, found.elements.contains(where: { holds(for: $0, path) }) { return true }
    guard let name = path.first else { return value.map { Value(found) == $0 } ?? true }
    // If a name comes twice, the last member is used, as in Python.
    guard
      let member = found.members.last(where: { $0.name.map { $0.utf8.elementsEqual(name.utf8) } ?? false })
    else { return false }
    return holds(for: member.value, path.dropFirst())
  }
}

extension MetadataCondition.Value {
  /// - Returns: nil for an object and an array.
  fileprivate init?(_ json: JSONText) {
    switch json.kind {
    case .string:
      guard let text = json.string else { return nil }
      self = .text(text)
    case .number: self = .number(json.double ?? .nan, exactly: json.text)
    case .boolean, .null: self = .word(json.text)
    case .object, .array: return nil
    }
  }

  fileprivate static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    // Compares bytes, because Swift takes a composed and a decomposed accent for equal.
    case (.text(let a), .text(let b)), (.word(let a), .word(let b)): a.utf8.elementsEqual(b.utf8)
    // Compares the text too, because large integers may be equal as doubles.
    case (.number(let a, let aText), .number(let b, let bText)):
      aText == bText || a == b && (a.magnitude < 0x1p53 || !a.isFinite)
    default: false
    }
  }
}

extension JSONText {
  /// The value of stored metadata, with Python's `NaN` and infinities; nil for text that is not JSON or nests deeper
  /// than Python can read.
  package init?(metadata text: String) {
    let bytes = Array(text.utf8)
    var grammar = JSONGrammar(bytes: bytes, allowsNaN: true)
    guard let range = try? grammar.checkDocument(), grammar.depth <= Metadata.deepestForPython else {
      return nil
    }
    self.init(checked: bytes[range])
  }
}
