import Mneme

/// The form of the embeddings in an export.
enum EmbeddingForm: String, CaseIterable, Sendable {
  case none, base64, array
}

/// One entry as a line of JSON, and back: the format of `export` and `import`.
enum EntryLine {
  /// The members, in the order in which they are written.
  enum Member: String, CaseIterable {
    case id, namespace, query
    case queryHash = "query_hash"
    case response, metadata
    case createdAt = "created_at"
    case lastAccessedAt = "last_accessed_at"
    case ttl
    case accessCount = "access_count"
    case fingerprint = "embedder_fingerprint"
    case embedding
    /// Only if the stored text of the metadata differs from its value by line breaks or blanks around it.
    case metadataText = "metadata_text"
    /// Only if the text is not valid UTF-8: its bytes.
    case rawQuery = "query_base64"
    case rawResponse = "response_base64"
    case rawMetadata = "metadata_base64"

    /// The members that every line has, in order.
    static let regular = Array(allCases.prefix { $0 != .metadataText })
  }

  /// Writes entries, one on each line. The parts that all lines share are made once.
  struct Writer {
    private let embeddings: EmbeddingForm
    private let id = Writer.opening("{", .id)
    private let namespace = Writer.opening(",", .namespace)
    private let query = Writer.opening(",", .query)
    private let queryHash = Writer.opening(",", .queryHash)
    private let response = Writer.opening(",", .response)
    private let metadata = Writer.opening(",", .metadata)
    private let createdAt = Writer.opening(",", .createdAt)
    private let lastAccessedAt = Writer.opening(",", .lastAccessedAt)
    private let ttl = Writer.opening(",", .ttl)
    private let accessCount = Writer.opening(",", .accessCount)
    /// The member with the fingerprint, and the name of the next member.
    private let fingerprint: [UInt8]

    init(fingerprint: String, embeddings: EmbeddingForm) {
      self.embeddings = embeddings
      var bytes = Writer.opening(",", .fingerprint)
      JSONText.append(fingerprint, to: &bytes)
      self.fingerprint = bytes + Writer.opening(",", .embedding)
    }

    private static func opening(_ separator: String, _ member: Member) -> [UInt8] {
      Array("\(separator)\"\(member.rawValue)\":".utf8)
    }

    /// Appends the line, without the line break that ends it.
    func append(_ entry: StoredEntry, to line: inout [UInt8]) {
      func number(_ value: Int64) { line.append(contentsOf: String(value).utf8) }
      line.append(contentsOf: id)
      number(entry.id.rawValue)
      line.append(contentsOf: namespace)
      JSONText.append(entry.namespace.name, to: &line)
      line.append(contentsOf: query)
      JSONText.append(entry.query, to: &line)
      line.append(contentsOf: queryHash)
      JSONText.append(entry.queryHash, to: &line)
      line.append(contentsOf: response)
      JSONText.append(entry.response, to: &line)
      line.append(contentsOf: metadata)
      let metadataValue = JSONOutput.metadata(entry.metadata)
      metadataValue.write(to: &line)
      line.append(contentsOf: createdAt)
      number(entry.createdAt.rawValue)
      line.append(contentsOf: lastAccessedAt)
      number(entry.lastAccessedAt.rawValue)
      line.append(contentsOf: ttl)
      JSONOutput(entry.ttl).write(to: &line)
      line.append(contentsOf: accessCount)
      number(entry.accessCount)
      line.append(contentsOf: fingerprint)
      switch embeddings {
      case .none: JSONOutput.null.write(to: &line)
      case .base64:
        line.append(UInt8(ascii: "\""))
        appendBase64(entry.embedding.bytes, to: &line)
        line.append(UInt8(ascii: "\""))
      case .array:
        JSONOutput.array(entry.embedding.numbers.map { $0.isFinite ? .raw("\($0)") : .null }).write(to: &line)
      }
      if case .raw(let value) = metadataValue, !value.utf8.elementsEqual(entry.metadata.utf8) {
        line.append(contentsOf: Writer.opening(",", .metadataText))
        JSONText.append(entry.metadata, to: &line)
      }
      if let raw = entry.raw {
        for (name, bytes) in [
          (Member.rawQuery, raw.query), (.rawResponse, raw.response), (.rawMetadata, raw.metadata),
        ] {
          guard let bytes else { continue }
          line.append(contentsOf: Writer.opening(",", name))
          line.append(UInt8(ascii: "\""))
          appendBase64(bytes, to: &line)
          line.append(UInt8(ascii: "\""))
        }
      }
      line.append(UInt8(ascii: "}"))
    }

    /// The line as text.
    func line(of entry: StoredEntry) -> String {
      var line: [UInt8] = []
      append(entry, to: &line)
      return String(decoding: line, as: UTF8.self)
    }
  }

  /// The fields of a line. A field is nil if the line does not have it and the import makes its value.
  struct Draft: Sendable {
    var namespace: Namespace?
    var query: String
    var queryHash: String?
    var response: String
    var metadata: String
    var createdAt: UnixTime?
    var lastAccessedAt: UnixTime?
    var ttl: Seconds?
    var accessCount: Int64
    var fingerprint: String?
    var embedding: Embedding?
    var raw: StoredEntry.RawTexts?
    /// The reason why the vector cannot be compared.
    var flaw: Embedding.Flaw?
    /// The names of members that are not read.
    var unknownFields: [String] = []
    /// Whether the entry comes from an export. It is then stored as it was, even if `put` would refuse it.
    var isExported = false
  }

  /// A record of a file: an entry, or the settings of the cache that the following entries come from.
  enum Record: Sendable {
    case entry(Draft)
    case settings(ExportSettings)
  }

  /// Reads a line.
  /// - Parameters:
  ///   - isExported: settings came before it. An entry with an id counts as exported too.
  ///   - readsSettings: reads all settings, and not the format alone.
  /// - Throws: `InputError` with the reason.
  static func record(from line: [UInt8], isExported: Bool, readsSettings: Bool) throws -> Record {
    let object: JSONText
    do {
      object = try JSONText(parsing: line)
    } catch {
      // An object that is spread over several lines, as `jq` and `json.dump(indent=…)` write it.
      let isOpened = error.offset >= line.count && line.first(where: { !$0.isJSONSpace }) == UInt8(ascii: "{")
      throw InputError(
        "not JSON: \(error.description) at byte \(error.offset + 1).",
        remediation: isOpened
          ? "Write each object on one line; 'jq -c .' does that." : "Correct or remove the line.")
    }
    guard object.kind == .object else {
      throw InputError(
        "a JSON \(object.kind), not an object.", remediation: "Correct or remove the line.")
    }
    var fields = Fields(of: object)
    if fields.value(.query) == nil,
      let settings = try ExportSettings(of: object, isFormatEnough: !readsSettings)
    {
      return .settings(settings)
    }
    fields.isExported = isExported || fields.value(.id) != nil
    var draft = Draft(
      namespace: try fields.text(.namespace).map { Namespace(unchecked: $0) },
      query: try fields.requiredText(.query),
      queryHash: try fields.hash(.queryHash), response: try fields.requiredText(.response),
      metadata: try fields.metadata() ?? "{}", createdAt: try fields.time(.createdAt),
      lastAccessedAt: try fields.time(.lastAccessedAt), ttl: try fields.ttl(),
      accessCount: try fields.integer(.accessCount, atLeast: fields.isExported ? .min : 0) ?? 0,
      fingerprint: try fields.text(.fingerprint), embedding: try fields.embedding())
    draft.flaw = draft.embedding?.flaw
    draft.unknownFields = fields.unknown
    draft.isExported = fields.isExported
    let raw = StoredEntry.RawTexts(
      query: try fields.bytes(.rawQuery, of: draft.query),
      response: try fields.bytes(.rawResponse, of: draft.response),
      metadata: try fields.bytes(.rawMetadata, of: draft.metadata))
    draft.raw = raw == StoredEntry.RawTexts() ? nil : raw
    return .entry(draft)
  }

  static func isQueryHash(_ text: String) -> Bool {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let letters = UInt8(ascii: "a")...UInt8(ascii: "f")
    return text.utf8.count == 64 && text.utf8.allSatisfy { digits.contains($0) || letters.contains($0) }
  }

  /// The members of a line by name, with the checks that each kind needs.
  private struct Fields {
    private var values = [JSONText?](repeating: nil, count: Member.allCases.count)

    /// The names as an exported line has them, quotes included.
    private static let names = Member.allCases.map { Array("\"\($0.rawValue)\"".utf8) }
    private static let members = Member.allCases

    /// The first unknown names.
    private(set) var unknown: [String] = []
    /// Whether numbers are accepted as they were stored, without a check of their range.
    var isExported = false

    /// Reads the members. If a name occurs twice, the last one counts, as in Python.
    init(of object: JSONText) {
      // Exported lines have their members in one order, so nearly each is found at the expected place.
      var next = 0
      object.forEachMember { name, value in
        guard let place = Self.place(of: name, expecting: next) else {
          if unknown.count < 8 { unknown.append(name.string ?? name.text) }
          return
        }
        values[place] = value
        next = place + 1
      }
    }

    private static func place(of name: JSONText, expecting next: Int) -> Int? {
      for offset in names.indices {
        let place = (next + offset) % names.count
        if name.bytes.elementsEqual(names[place]) { return place }
      }
      // The name is written with escapes.
      return name.string.flatMap { Member(rawValue: $0) }.flatMap { members.firstIndex(of: $0) }
    }

    func value(_ member: Member) -> JSONText? {
      Self.members.firstIndex(of: member).flatMap { values[$0] }.flatMap { $0.kind == .null ? nil : $0 }
    }

    func text(_ name: Member) throws -> String? {
      guard let value = value(name) else { return nil }
      guard let text = value.string else { throw wrong(name, "text") }
      return text
    }

    func requiredText(_ name: Member) throws -> String {
      guard let text = try text(name) else {
        throw InputError(
          "the field '\(name.rawValue)' is missing.",
          remediation: "Give each line at least \"query\" and \"response\".")
      }
      return text
    }

    /// Returns the stored bytes of a text that is not valid UTF-8; nil if someone has changed the text since the
    /// export.
    func bytes(_ name: Member, of text: String) throws -> [UInt8]? {
      guard let value = value(name) else { return nil }
      guard let bytes = decoded(value) else { throw wrong(name, "bytes in base64") }
      let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
      return !isUTF8 && String(decoding: bytes, as: UTF8.self).utf8.elementsEqual(text.utf8) ? bytes : nil
    }

    /// Decodes a string of base64; nil if it is not valid.
    private func decoded(_ value: JSONText) -> [UInt8]? {
      if let plain = value.plainBytes { return decodeBase64(plain) }
      return value.string.flatMap { decodeBase64($0) }
    }

    func hash(_ name: Member) throws -> String? {
      guard let text = try text(name) else { return nil }
      guard EntryLine.isQueryHash(text) else { throw wrong(name, "64 lower-case hexadecimal digits") }
      return text
    }

    /// Returns the metadata: an object, or the string that an export writes instead. See `JSONOutput.metadata`.
    func metadata() throws -> String? {
      guard let value = value(.metadata) else { return nil }
      if value.kind == .object {
        let value = JSONOutput.onOneLine(value.text)
        // The stored text is used unless someone has changed the value since the export.
        if let text = try text(.metadataText), case .raw(let told) = JSONOutput.metadata(text),
          told.utf8.elementsEqual(value.utf8)
        {
          return text
        }
        return value
      }
      guard let text = value.string, Metadata.isSound(text), Metadata.portable(text) == nil else {
        throw wrong(.metadata, "a JSON object")
      }
      return text
    }

    func integer(_ name: Member, atLeast least: Int64) throws -> Int64? {
      guard let value = value(name) else { return nil }
      guard let number = value.integer ?? value.wholeNumber, number >= least else {
        throw wrong(name, "a whole number of \(least) or more")
      }
      return number
    }

    func time(_ name: Member) throws -> UnixTime? {
      guard let value = value(name) else { return nil }
      // Python's `time.time()` has a fraction.
      guard let seconds = value.integer ?? value.double.flatMap({ Int64(exactly: $0.rounded(.down)) }),
        isExported || seconds.magnitude < 1 << 50
      else {
        throw wrong(name, "a time in Unix seconds")
      }
      return UnixTime(seconds)
    }

    func ttl() throws -> Seconds? {
      guard let seconds = try integer(.ttl, atLeast: isExported ? .min : 1).map({ Seconds($0) }) else {
        return nil
      }
      guard isExported || seconds <= SemanticCache.longestTTL else {
        throw wrong(.ttl, "a time to live of at most 100 years")
      }
      return seconds
    }

    func embedding() throws -> Embedding? {
      guard let value = value(.embedding) else { return nil }
      if value.kind == .array {
        return try Embedding(try numbers(in: value, of: "the field 'embedding'")).checkedForStoring()
      }
      guard let bytes = decoded(value), bytes.count % 4 == 0 else {
        throw wrong(.embedding, "an array of numbers, or float32s in base64")
      }
      // The vector stays as it was in the cache that it comes from.
      return Embedding(bytes: bytes)
    }

    private func wrong(_ name: Member, _ right: String) -> InputError {
      InputError(
        "the field '\(name.rawValue)' is not \(right).", remediation: "Correct or remove the line.")
    }
  }
}

extension Embedding {
  /// Returns the vector as it is if its length is 1, and scaled to length 1 otherwise.
  fileprivate func checkedForStoring() throws -> Embedding {
    let numbers = numbers
    let squares = numbers.reduce(0.0) { $0 + Double($1) * Double($1) }
    return abs(squares - 1) < 1e-3 ? self : try Embedding.normalizing(numbers)
  }
}

extension JSONText {
  /// A whole number that is written with a fraction or an exponent: `86400.0`, `1e5`. It is nil for any other number,
  /// and if a double does not hold it exactly.
  fileprivate var wholeNumber: Int64? {
    double.flatMap { $0.magnitude < 0x1p53 ? Int64(exactly: $0) : nil }
  }
}
