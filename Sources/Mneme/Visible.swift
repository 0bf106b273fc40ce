/// Escapes text from a cache, a server or a file name so that it cannot control a terminal or change the reading
/// direction: `^[` for escape, `<U+202E>` for an override.
/// - Parameter multiline: newlines and tabs stay as they are.
package func visible(_ text: String, multiline: Bool = false) -> String {
  guard text.unicodeScalars.contains(where: isHazardous) else { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x09, 0x0A:
      result += multiline ? String(scalar) : scalar.value == 0x09 ? "\\t" : "\\n"
    case 0x0D: result += "\\r"
    case 0x00..<0x20: result += "^" + String(Unicode.Scalar(UInt8(scalar.value + 0x40)))
    case 0x7F: result += "^?"
    default:
      if isHazardous(scalar) {
        result += "<U+" + hexadecimal(scalar.value, digits: 4) + ">"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
  }
  return result
}

/// Quotes a word so that a shell reads it as typed.
package func shellQuoted(_ word: String) -> String {
  let isPlain = word.unicodeScalars.allSatisfy {
    $0.properties.isAlphabetic || ("0"..."9").contains($0) || "-_./:=,@%+".unicodeScalars.contains($0)
  }
  guard !isPlain || word.isEmpty else { return word }
  return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}

/// Whether a character is a control character, a separator that breaks lines, or a mark that reorders text.
package func isHazardous(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x00..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
  default: false
  }
}

/// Upper-case hexadecimal digits, zeros in front.
package func hexadecimal(_ number: UInt32, digits: Int) -> String {
  let text = String(number, radix: 16, uppercase: true)
  return String(repeating: "0", count: max(0, digits - text.count)) + text
}
