extension ValueKind where Value == String {
  /// Any text.
  ///
  /// - Parameters:
  ///   - placeholder: as help shows it; an argument shows its own name instead.
  ///   - completion: what a shell offers.
  ///   - allowsEmpty: whether `''` is a value. An empty variable in a script is a frequent mistake, so pass `false` if
  ///     the empty text has no meaning.
  public static func text(
    _ placeholder: String = "TEXT", completion: Completion = .nothing, allowsEmpty: Bool = true
  ) -> ValueKind {
    ValueKind(
      placeholder: placeholder,
      completion: completion,
      parse: { text throws(ValueProblem) in
        guard allowsEmpty || !text.isEmpty else { throw ValueProblem("is empty", advice: "give it a value") }
        return text
      },
      format: { $0 })
  }

  /// The path of a file. Its existence is not checked here, but when it is opened.
  public static func file(_ placeholder: String = "FILE") -> ValueKind {
    text(placeholder, completion: .files, allowsEmpty: false)
  }

  /// The path of a directory, unchecked like `file`.
  public static func directory(_ placeholder: String = "DIRECTORY") -> ValueKind {
    text(placeholder, completion: .directories, allowsEmpty: false)
  }
}

extension ValueKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// A case of an enumeration, by its raw value.
  @inlinable
  public static func choice(_ type: Value.Type, _ placeholder: String = "WORD") -> ValueKind {
    let words = Value.allCases.map { $0.rawValue }
    return ValueKind(
      placeholder: placeholder,
      completion: .choices(words),
      parse: { text throws(ValueProblem) in
        guard let value = Value(rawValue: text) else {
          throw ValueProblem(text, isNoneOf: words, placeholder)
        }
        return value
      },
      format: { $0.rawValue })
  }
}

extension ValueProblem {
  @usableFromInline
  init(_ text: String, isNoneOf words: [String], _ placeholder: String) {
    self.init(
      "is not valid", advice: "choose \(list(words, "or"))",
      nearest: nearestName(to: text, among: words))
  }
}

/// `a`, `a or b`, `a, b or c`.
package func list(_ words: [String], _ conjunction: String) -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return "\(words.dropLast().joined(separator: ", ")) \(conjunction) \(last)"
}
