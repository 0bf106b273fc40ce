import Mneme

@testable import Mneme
@testable import MnemeCLI
@testable import MnemeEmbedders

extension Target {
  /// JSON: values that are read, taken apart and put together again are the same, and so are values made harmless or
  /// put on one line. Metadata accepted from a user is sound, and portable metadata is JSON.
  static let json = Target(
    name: "json",
    words: [
      "{", "}", "[", "]", ",", ":", "\"", "\\u", "\\ud83d\\ude00", "\\ud800", "\\n", "\\\\", "\\\"", "true",
      "false", "null", "NaN", "Infinity", "-Infinity", "1e400", "-0", "0.5", "12345678901234567890",
      "\"embedding\":", "\"data\":", "\"index\":", "\"embeddings\":", "\u{2028}", "\u{202E}", "\u{7F}",
      "\u{FEFF}",
    ]
  ) { input in
    let bytes = input.remainder()
    examine(metadata: String(decoding: bytes, as: UTF8.self))
    guard let json = try? JSONText(parsing: bytes) else { return }
    expect(String(validating: bytes, as: UTF8.self) != nil, "JSON that is not UTF-8")
    let again = read(Array(json.bytes))
    expect(again.kind == json.kind && again.bytes.elementsEqual(json.bytes), "the value alone is another")

    let whole = summary(of: json)
    expect(summary(of: read(Array(rewritten(json).utf8))) == whole, "put together it says something else")
    let harmless = JSONOutput.harmless(json.text)
    expect(
      !harmless.unicodeScalars.contains(where: isHazardous), "\(harmless.debugDescription) is not harmless")
    expect(summary(of: read(Array(harmless.utf8))) == whole, "made harmless it says something else")
    expect(summary(of: read(Array(JSONOutput.onOneLine(json.text).utf8))) == whole, "on one line, too")

    let received = ReceivedVectors(source: "s", dimension: 3)
    for form in [EmbeddingProtocol.openAI, .ollama] {
      guard let vectors = try? form.vectors(in: json, received),
        (try? received.check(vectors, count: 1)) != nil
      else { continue }
      expect(vectors.count == 1 && vectors[0].count == 3 && vectors[0].allSatisfy(\.isFinite), "\(vectors)")
    }
  }
}

private func read(_ bytes: [UInt8]) -> JSONText {
  do {
    return try JSONText(parsing: bytes)
  } catch {
    fatalError("\(shown(bytes)): \(error.description) at \(error.offset)")
  }
}

/// The depth to which the fuzzer compares values. The code under test has no such limit, and no recursion.
private let deepest = 200

/// The content of a value, however it is written: strings by their characters, numbers and the order of members
/// unchanged. Text that is not a string is unchanged.
private func summary(of json: JSONText, depth: Int = 0) -> [String] {
  guard depth < deepest else { return ["…"] }
  switch json.kind {
  case .object:
    return ["{"]
      + json.members.flatMap { ["name \(bytes($0.name))"] + summary(of: $0.value, depth: depth + 1) } + ["}"]
  case .array: return ["["] + json.elements.flatMap { summary(of: $0, depth: depth + 1) } + ["]"]
  case .string: return ["string \(bytes(json.string))"]
  case .number:
    expect(json.double != nil, "\(json.text) is not a number")
    if let integer = json.integer { expect(json.double == Double(integer), "\(json.text) is \(integer)") }
    return [json.text]
  case .boolean, .null: return [json.text]
  }
}

/// By its bytes, since Swift takes canonically equivalent texts for equal.
private func bytes(_ text: String?) -> String { text.map { "\(Array($0.utf8))" } ?? "none" }

/// A value, put together of what it was taken apart to.
private func rewritten(_ json: JSONText, depth: Int = 0) -> String {
  guard depth < deepest else { return json.text }
  func quoted(_ text: String?) -> String {
    text.map { String(decoding: JSONText.quoted($0), as: UTF8.self) } ?? "\"\\ud800\""
  }
  switch json.kind {
  case .object:
    return "{\n"
      + json.members.map { "\(quoted($0.name)) : \(rewritten($0.value, depth: depth + 1))" }
      .joined(separator: ",") + "}"
  case .array:
    return "[ " + json.elements.map { rewritten($0, depth: depth + 1) }.joined(separator: "\t,") + "]"
  case .string: return quoted(json.string)
  case .number, .boolean, .null: return json.text
  }
}

private func examine(metadata text: String) {
  let isTaken = (try? Metadata.check(text)) != nil
  let isTakenOfPython = (try? Metadata.check(text, allowsNaN: true)) != nil
  expect(!isTaken || isTakenOfPython, "Python's additions take something away")
  expect(!isTakenOfPython || Metadata.isSound(text), "what is taken is not sound")
  guard let value = Metadata.portable(text) else { return }
  _ = read(Array(value.utf8))
  expect(areSame(Metadata.portable(value), value), "'\(value)' is portable another way")
}
