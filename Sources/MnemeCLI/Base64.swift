/// Base64 as RFC 4648, section 4 has it: the standard alphabet, padded.
func base64(_ bytes: [UInt8]) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  return String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { text in
    var place = 0
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let rest = min(3, bytes.count - start)
      var group = UInt32(bytes[start]) << 16
      if rest > 1 { group |= UInt32(bytes[start + 1]) << 8 }
      if rest > 2 { group |= UInt32(bytes[start + 2]) }
      text[place] = alphabet[Int(group >> 18)]
      text[place + 1] = alphabet[Int(group >> 12 & 63)]
      text[place + 2] = rest > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "=")
      text[place + 3] = rest > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "=")
      place += 4
    }
    return place
  }
}

/// The bytes of a base64 text; nil for one that is not exactly what `base64` writes.
func decodeBase64(_ text: String) -> [UInt8]? {
  let characters = Array(text.utf8)
  guard characters.count % 4 == 0 else { return nil }
  let padding = characters.suffix(2).count { $0 == UInt8(ascii: "=") }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(characters.count / 4 * 3)
  for start in stride(from: 0, to: characters.count, by: 4) {
    let isLast = start + 4 == characters.count
    var group: UInt32 = 0
    for (offset, character) in characters[start..<start + 4].enumerated() {
      let isPadding = isLast && offset >= 4 - padding
      guard let value = isPadding ? 0 : base64Values[Int(character)] else { return nil }
      group = group << 6 | value
    }
    // Bits that no byte uses must be zero, or two texts would mean the same bytes.
    if isLast, padding > 0, group & (padding == 2 ? 0xFFFF : 0xFF) != 0 { return nil }
    bytes.append(UInt8(truncatingIfNeeded: group >> 16))
    if !isLast || padding < 2 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
    if !isLast || padding < 1 { bytes.append(UInt8(truncatingIfNeeded: group)) }
  }
  return bytes
}

/// The value of each character of the alphabet; nil for all others.
private let base64Values: [UInt32?] = {
  var values = [UInt32?](repeating: nil, count: 256)
  for (value, character) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
    .enumerated()
  {
    values[Int(character)] = UInt32(value)
  }
  return values
}()
