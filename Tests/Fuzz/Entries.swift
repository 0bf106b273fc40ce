import CommandGrammar
import Mneme

@testable import MnemeCLI
@testable import MnemeRedis

extension Target {
  /// The hash of an entry, as `HGETALL` answers it: what is read is written and read again to the same entry, and what
  /// is exported is one line of JSON that comes back as it was.
  static let entries = Target(
    name: "entries",
    words: EntryField.inOrder.map { String(decoding: $0, as: UTF8.self) } + [
      "default", "{}", "{\"a\":1e400}", "{\"a\":NaN}", "{\"a\":\"\\ud800\"}", "9223372036854775807",
      "-9223372036854775808", String(repeating: "0a", count: 32), "\u{0}\u{0}\u{0}?", "\u{0}\u{0}\u{0}\u{0}",
      "\u{2028}", "\u{1B}", "\u{E9}",
    ]
  ) { input in
    let flags = input.byte()
    let dimension = flags & 2 == 0 ? nil : Int(flags >> 4)
    let layout = KeyLayout(prefix: "p")
    let strict = EntryCodec(layout: layout, requiresUTF8: true)
    let lax = EntryCodec(layout: layout, requiresUTF8: false)
    let fields =
      flags & 1 == 0
      ? zip(EntryField.inOrder, input.fields()).flatMap { [$0, $1] } : input.fields()
    let reply = array(fields)
    let id = EntryID(7)

    let entry = outcome { try lax.decode(reply, id: id, dimension: dimension) }
    // A reader that requires UTF-8 gets the same or nothing.
    if let same = outcome({ try strict.decode(reply, id: id, dimension: dimension) }) {
      expect(same == entry, "another entry where text has to be UTF-8")
    }
    guard let entry else { return }
    expect(
      entry.id == id && QueryNormalizer.isHash(entry.queryHash) && !entry.namespace.name.isEmpty,
      "an odd entry")
    expect(dimension == nil || entry.embedding.dimension == dimension, "a vector of another length")

    var pipeline = Pipeline()
    lax.appendSet(entry, id: id, to: &pipeline)
    // A command is an array of strings; after its name and its key comes the reply of HGETALL.
    let command = parsed(pipeline.bytes)
    expect(command[0].string == "HSET" && command[1].string == "p:entry:7", "\(command.bytes)")
    let again = array(command.elements.dropFirst(2).map(\.bytes))
    expect(outcome { try lax.decode(again, id: id, dimension: dimension) } == entry, "written otherwise")
    let isText = outcome { try strict.decode(again, id: id, dimension: dimension) } != nil
    expect(isText == (entry.raw == nil), "text and bytes that are not text are mistaken for each other")

    for form in EmbeddingForm.allCases { export(entry, form) }
  }
}

/// The result of reading; nil also for an error, which must be one for the user.
private func outcome(_ body: () throws -> StoredEntry?) -> StoredEntry? {
  do {
    return try body()
  } catch {
    expect(error is any MnemeError && ExitStatus(error) != .bug, "\(error)")
    return nil
  }
}

/// A reply of strings.
private func array(_ elements: [[UInt8]]) -> Reply {
  parsed(
    Array("*\(elements.count)\r\n".utf8)
      + elements.flatMap { Array("$\($0.count)\r\n".utf8) + $0 + Array("\r\n".utf8) })
}

private func parsed(_ bytes: [UInt8]) -> Reply {
  guard let reader = try? ReplyReader(limit: 1 << 28) else { fatalError("out of memory") }
  reader.begin()
  do {
    try bytes.withUnsafeBytes { try reader.feed($0, wanted: 1) }
  } catch {
    expect(false, "a reply made here: \(error)")
  }
  return Replies(tape: reader.tape, skipped: 0)[0]
}

/// One line, without anything that commands a terminal, that `import` takes; and what it takes is the entry.
func export(_ entry: StoredEntry, _ form: EmbeddingForm) {
  let line = EntryLine.Writer(fingerprint: "f\u{1B}", embeddings: form).line(of: entry)
  let raw = JSONOutput.metadata(entry.metadata)
  expect(!line.utf8.contains(0x0A), "a line with a line break")
  if case .string = raw { expect(!line.unicodeScalars.contains(where: isHazardous), line.debugDescription) }
  let draft: EntryLine.Draft
  do {
    let record = try EntryLine.record(from: Array(line.utf8), isExported: true, readsSettings: true)
    guard case .entry(let entry) = record else { return expect(false, "'\(line)' is read as settings") }
    draft = entry
  } catch {
    expect(isBeyondImport(entry, form), "'\(line)' is refused: \(error)")
    return
  }
  expect(
    draft.namespace == entry.namespace && areSame(draft.query, entry.query)
      && areSame(draft.response, entry.response) && areSame(draft.queryHash, entry.queryHash)
      && draft.createdAt == entry.createdAt && draft.lastAccessedAt == entry.lastAccessedAt
      && draft.ttl == entry.ttl && draft.accessCount == entry.accessCount
      && areSame(draft.fingerprint, "f\u{1B}"), "'\(line)' comes back as \(draft)")
  expect(areSame(draft.metadata, entry.metadata), "\(draft.metadata) for \(entry.metadata)")
  expect(draft.raw == entry.raw, "other bytes that are not UTF-8")
  if form != .none {
    let squares = entry.embedding.numbers.reduce(0.0) { $0 + Double($1) * Double($1) }
    // A vector of length 1 comes back bit for bit; NaN has many bit patterns, and no length.
    if abs(squares - 1) < 1e-3 { expect(draft.embedding == entry.embedding, "another vector") }
  }
}

/// Entries that another program wrote can hold what `import` does not take.
private func isBeyondImport(_ entry: StoredEntry, _ form: EmbeddingForm) -> Bool {
  let numbers = entry.embedding.numbers
  let isVector = numbers.allSatisfy(\.isFinite) && numbers.contains { $0 != 0 }
  return form == .array && !isVector
}
