/// The rules for metadata: a JSON object, as text.
///
/// Python's `json` writes and reads `NaN`, `Infinity` and `-Infinity` as numbers, and strings with half of a surrogate
/// pair. Stored metadata with these is valid and returned unchanged. New metadata must not have them.
package enum Metadata {
  /// The deepest nesting that is stored. Python reads JSON by recursion and fails at a thousand levels, including
  /// those of its caller. One such entry would prevent an application from opening the whole cache.
  package static let depthLimit = 256
  /// The most digits of an integer that are stored: Python refuses to read more.
  package static let digitLimit = 4300

  /// - Parameter allowsNaN: accepts Python's `NaN` and infinities.
  /// - Throws: `InvalidInputError` with the place where the text stops being JSON, with its kind if it is not an
  ///   object, or with the reason why Python could not read it.
  package static func check(_ text: String, allowsNaN: Bool = false) throws {
    // Nearly every entry has this value, which needs no scan.
    guard text != "{}" else { return }
    let bytes = Array(text.utf8)
    var grammar = JSONGrammar(bytes: bytes, allowsNaN: allowsNaN)
    let value: JSONText
    do {
      value = JSONText(checked: bytes[try grammar.checkDocument()])
    } catch {
      throw InvalidInputError(
        "The metadata is not JSON: \(error.description) at byte \(error.offset).", remedy: .writeObject)
    }
    guard value.kind == .object else {
      throw InvalidInputError(
        "The metadata is a JSON \(value.kind), not an object.", remedy: .writeObject)
    }
    guard grammar.depth <= depthLimit else {
      throw InvalidInputError(
        "The metadata nests \(grammar.depth) levels deep; the limit is \(depthLimit).",
        remedy: .flatten)
    }
    guard grammar.longestInteger <= digitLimit else {
      throw InvalidInputError(
        "The metadata has an integer of \(grammar.longestInteger) digits; the limit is \(digitLimit).",
        remedy: .writeIntegerAsString)
    }
  }

  /// Whether stored metadata can be read by every program that shares the cache: a JSON object, with Python's
  /// additions.
  package static func isSound(_ text: String) -> Bool {
    if text == "{}" { return true }
    let bytes = Array(text.utf8)
    var grammar = JSONGrammar(bytes: bytes, allowsNaN: true)
    guard let range = try? grammar.checkDocument() else { return false }
    return bytes[range.lowerBound] == UInt8(ascii: "{")
  }

  /// The reason why Python's `json` cannot read valid metadata, worded to follow "metadata"; nil if it can.
  package static func pythonObstacle(_ text: String) -> String? {
    if text == "{}" { return nil }
    var grammar = JSONGrammar(bytes: Array(text.utf8), allowsNaN: true)
    guard (try? grammar.checkDocument()) != nil else { return nil }
    if grammar.longestInteger > digitLimit { return "has an integer of \(grammar.longestInteger) digits" }
    return grammar.depth > deepestForPython ? "nests \(grammar.depth) levels deep" : nil
  }

  /// The number of levels that Python reads in any program.
  static let deepestForPython = 900

  /// The value as it was written, without white space around it; nil if it is not JSON or has Python's additions.
  package static func portable(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    var grammar = JSONGrammar(bytes: bytes)
    guard let range = try? grammar.checkDocument(), !grammar.hasLoneSurrogate else { return nil }
    return String(decoding: bytes[range], as: UTF8.self)
  }
}
