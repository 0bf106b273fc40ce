@testable import Mneme
@testable import MnemeCLI

extension Target {
  /// Texts as they are written for others: a CSV record is read as the fields that it was made of, none of them a
  /// formula; what is shown on a terminal commands none; a JSON string and base64 come back as they were.
  static let texts = Target(
    name: "texts",
    words: [
      "\"", ",", "\r\n", "\n", "=1+1", "+", "-1", "@", "\t", "\u{FF1D}", "\u{1B}[", "\u{202E}", "==", "AA==",
    ]
  ) { input in
    let width = Int(input.byte() % 32) + 1
    let fields = input.fields().map { String(decoding: $0, as: UTF8.self) }
    let record = CSV.record(fields)
    if fields != [""] {
      let read = CSV.records(of: record)
      expect(read.count == 1, "\(record.debugDescription) is \(read.count) records")
      expect(read.first?.count == fields.count, "\(record.debugDescription) has other fields")
      for (read, field) in zip(read.first ?? [], fields) {
        expect(areSame(read, field) || areSame(read, "'" + field), "\(field.debugDescription) is \(read)")
        expect(
          Double(read) != nil
            || !"=+-@\t\r\n\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}".unicodeScalars
              .contains(read.unicodeScalars.first ?? "a"),
          "\(read.debugDescription) is a formula")
      }
    }
    for text in fields { examine(text, width) }
    expectSameAgain(input: fields.joined(separator: "\n"))
  }
}

private func examine(_ text: String, _ width: Int) {
  for multiline in [false, true] {
    let seen = visible(text, multiline: multiline)
    expect(
      !seen.unicodeScalars.contains { isHazardous($0) && !(multiline && ($0 == "\n" || $0 == "\t")) },
      seen.debugDescription)
    expect(areSame(visible(seen, multiline: multiline), seen), "\(seen.debugDescription) is shown otherwise")
  }
  let cut = fitted(visible(text), to: width)
  expect(displayWidth(cut) <= width, "\(cut.debugDescription) takes more than \(width) columns")

  let spelled = JSONOutput.string(text).text
  expect(!spelled.unicodeScalars.contains(where: isHazardous), spelled.debugDescription)
  for json in [Array(spelled.utf8), JSONText.quoted(text)] {
    expect(
      areSame((try? JSONText(parsing: json))?.string, text), "\(shown(json)) for \(text.debugDescription)")
  }
  expect(decodeBase64(base64(Array(text.utf8))) == Array(text.utf8), "base64 of \(text.debugDescription)")
  if let bytes = decodeBase64(text) { expect(base64(bytes) == text, "two texts in base64 for the same") }
}

/// A file of a spreadsheet's, as `calibrate` reads one.
private func expectSameAgain(input text: String) {
  let records = CSV.records(of: text)
  let again = CSV.records(of: records.map(CSV.record).joined())
  expect(
    again.elementsEqual(records) { $0.elementsEqual($1) { areSame($0, $1) || areSame($0, "'" + $1) } },
    "\(records) is read as \(again)")
}
