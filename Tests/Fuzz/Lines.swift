import Mneme

@testable import MnemeCLI
@testable import MnemeEmbedders

extension Target {
  /// Files of JSON lines, as `import` reads them: every line is read once and whole, and an entry read from one and
  /// exported again is read the same.
  static let lines = Target(
    name: "lines",
    words: (EntryLine.Member.allCases.map(\.rawValue) + ["text"]).map { "\"\($0)\":" } + [
      "{", "}", ",", "\"q\"", "null", "\"\\ud800\"", "\"AACAPw==\"", "[1,0]", "{\"a\":NaN}",
      "\"{\\\"a\\\":NaN}\"", "\"\(String(repeating: "0a", count: 32))\"", "1125899906842624", "\r\n", "\n",
    ]
  ) { input in
    let bytes = input.remainder()
    withFile(of: bytes) { _, path in
      expectEveryLine(of: bytes, path)
      guard let file = try? InputFile(path) else { return }
      let reader = DraftReader(LineReader(file, limit: 1 << 20), sinceLine: 0, readsSettings: true)
      while let lines = try? reader.next() {
        for line in lines {
          switch line.record {
          case .success(.entry(let draft)): expectSameAgain(draft)
          case .success(.settings(let settings)): expectSameAgain(settings)
          case .failure(let error): expect(ExitStatus(error) == .badData, "\(error)")
          }
        }
      }
      _ = try? VectorFile(path: path).read()
    }
    var vectors = PrecomputedEmbedder(fingerprint: "f", dimension: 2, source: "s")
    try? vectors.add(line: bytes)
  }
}

private func expectEveryLine(of bytes: [UInt8], _ path: String) {
  let bytes = withoutByteOrderMark(bytes)
  var expected = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  if expected.last?.isEmpty == true { expected.removeLast() }
  let isCut = bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false
  guard let file = try? InputFile(path) else { return expect(false, "the file cannot be read") }
  var lines = LineReader(file, limit: 1 << 20)
  for (number, line) in expected.enumerated() {
    var line = line
    if line.last == UInt8(ascii: "\r"), !(isCut && number == expected.count - 1) { line.removeLast() }
    let read = try? lines.next()
    expect(read.map { $0.elementsEqual(line) } ?? false, "line \(number + 1) is \(shown(read ?? []))")
    expect(lines.number == number + 1, "line \(number + 1) has the number \(lines.number)")
  }
  expect((try? lines.next()) == .some(nil), "a line behind the last")
}

/// Settings, exported and read again.
private func expectSameAgain(_ settings: ExportSettings) {
  guard let object = try? JSONText(parsing: Array(settings.json.text.utf8)),
    let again = try? ExportSettings(of: object)
  else { return expect(false, "'\(settings.json.text)' is refused") }
  expect(again.json.text == settings.json.text, "'\(settings.json.text)' comes back as '\(again.json.text)'")
}

/// An entry of what a line says, exported and read again.
private func expectSameAgain(_ draft: EntryLine.Draft) {
  var entry = StoredEntry(
    id: EntryID(1), namespace: draft.namespace ?? .default,
    queryHash: draft.queryHash ?? QueryNormalizer.queryHash(draft.query), query: draft.query,
    response: draft.response, embedding: draft.embedding ?? .empty, metadata: draft.metadata,
    createdAt: draft.createdAt ?? UnixTime(1), lastAccessedAt: draft.lastAccessedAt ?? UnixTime(1),
    ttl: draft.ttl, accessCount: draft.accessCount)
  entry.raw = draft.raw
  for form in EmbeddingForm.allCases where form == .none || draft.embedding != nil { export(entry, form) }
}
