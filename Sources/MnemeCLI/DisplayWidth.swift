internal import CTextLibraries

/// The columns that a text takes on a terminal: two for an ideograph or an emoji, none for a combining mark.
func displayWidth(_ text: some StringProtocol) -> Int {
  if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
  return text.reduce(0) { $0 + displayWidth($1) }
}

/// An emoji sequence is drawn as one picture, two columns wide, whatever it is put together from. Anything else
/// takes the sum of its scalars, as `wcwidth` has it: a consonant cluster of Devanagari is one character of two
/// columns.
private func displayWidth(_ character: Character) -> Int {
  let scalars = character.unicodeScalars
  if scalars.count > 1, let first = scalars.first, first.properties.isEmoji,
    scalars.dropFirst().contains(where: joinsEmoji)
  {
    return 2
  }
  return scalars.reduce(0) { $0 + max(0, Int(utf8proc_charwidth(utf8proc_int32_t(bitPattern: $1.value)))) }
}

/// Emoji presentation, a zero-width joiner, the second letter of a flag, a tone of skin.
private func joinsEmoji(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0xFE0F, 0x200D, 0x1F1E6...0x1F1FF, 0x1F3FB...0x1F3FF: true
  default: false
  }
}

/// Returns as much of a text as fits into `width` columns, with an ellipsis if something is cut off.
/// - Parameters:
///   - width: 1 or more.
///   - keepsEnd: cuts in the middle rather than at the end.
///   - ellipsis: itself cut if it does not fit.
func fitted(
  _ text: String, to width: Int, keepsEnd: Bool = false, ellipsis: String = "\u{2026}"
) -> String {
  guard displayWidth(text) > width else { return text }
  let room = max(0, width - displayWidth(ellipsis))
  let end = keepsEnd ? prefix(text.reversed(), columns: room / 2) : []
  let start = prefix(text, columns: room - end.reduce(0) { $0 + displayWidth($1) })
  return String(start) + ellipsis.prefix(width) + String(end.reversed())
}

/// The first characters that fit into so many columns.
private func prefix(_ characters: some Sequence<Character>, columns: Int) -> [Character] {
  var room = columns
  return Array(
    characters.prefix { character in
      room -= displayWidth(character)
      return room >= 0
    })
}
