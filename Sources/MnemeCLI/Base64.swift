/// Encodes bytes in base64 by RFC 4648, section 4: the standard alphabet, padded.
func base64(_ bytes: [UInt8]) -> String {
  var text: [UInt8] = []
  appendBase64(bytes, to: &text)
  return String(decoding: text, as: UTF8.self)
}

/// Appends the Base64 of bytes to a text.
func appendBase64(_ bytes: [UInt8], to text: inout [UInt8]) {
  let count = (bytes.count + 2) / 3 * 4
  withUnsafeTemporaryAllocation(byteCount: count, alignment: 4) { output in
    let whole = bytes.count / 3
    base64Pairs.withUnsafeBufferPointer { pairs in
      bytes.withUnsafeBufferPointer { bytes in
        for group in 0..<whole {
          let high = Int(bytes[3 * group]) << 4 | Int(bytes[3 * group + 1]) >> 4
          let low = Int(bytes[3 * group + 1] & 15) << 8 | Int(bytes[3 * group + 2])
          output.storeBytes(of: pairs[high], toByteOffset: 4 * group, as: UInt16.self)
          output.storeBytes(of: pairs[low], toByteOffset: 4 * group + 2, as: UInt16.self)
        }
      }
    }
    if bytes.count > 3 * whole {
      let first = bytes[3 * whole]
      let second = bytes.count > 3 * whole + 1 ? bytes[3 * whole + 1] : nil
      let end = 4 * whole
      output[end] = base64Alphabet[Int(first >> 2)]
      output[end + 1] = base64Alphabet[Int(first & 3) << 4 | Int(second ?? 0) >> 4]
      output[end + 2] = second.map { base64Alphabet[Int($0 & 15) << 2] } ?? UInt8(ascii: "=")
      output[end + 3] = UInt8(ascii: "=")
    }
    text.append(contentsOf: output)
  }
}

private let base64Alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

/// The two characters of each 12 bits, as they are in memory.
private let base64Pairs = [UInt16](unsafeUninitializedCapacity: 4096) { pairs, count in
  for value in 0..<4096 {
    let (first, second) = (base64Alphabet[value >> 6], base64Alphabet[value & 63])
    pairs[value] = UInt16(littleEndian: UInt16(first) | UInt16(second) << 8)
  }
  count = 4096
}

/// The bytes of a base64 text; nil for one that is not exactly what `base64` writes.
func decodeBase64(_ text: String) -> [UInt8]? { decodeBase64(Array(text.utf8)[...]) }

/// The bytes of Base64 characters.
func decodeBase64(_ characters: ArraySlice<UInt8>) -> [UInt8]? {
  characters.withUnsafeBufferPointer { characters in
    let count = characters.count
    guard count % 4 == 0 else { return nil }
    let padding = characters.suffix(2).count { $0 == UInt8(ascii: "=") }
    let whole = count / 4 - (padding > 0 ? 1 : 0)
    var isSound = true
    let bytes = [UInt8](unsafeUninitializedCapacity: count / 4 * 3) { bytes, filled in
      base64Values.withUnsafeBufferPointer { values in
        var seen: UInt32 = 0
        for group in 0..<whole {
          let value =
            values[Int(characters[4 * group])] << 18 | values[Int(characters[4 * group + 1])] << 12
            | values[Int(characters[4 * group + 2])] << 6 | values[Int(characters[4 * group + 3])]
          seen |=
            values[Int(characters[4 * group])] | values[Int(characters[4 * group + 1])]
            | values[Int(characters[4 * group + 2])] | values[Int(characters[4 * group + 3])]
          bytes[3 * group] = UInt8(truncatingIfNeeded: value >> 16)
          bytes[3 * group + 1] = UInt8(truncatingIfNeeded: value >> 8)
          bytes[3 * group + 2] = UInt8(truncatingIfNeeded: value)
        }
        filled = 3 * whole
        if padding > 0 {
          var value: UInt32 = 0
          for place in 0..<4 {
            let isPadding = place >= 4 - padding
            let bits = isPadding ? 0 : values[Int(characters[4 * whole + place])]
            seen |= bits
            value = value << 6 | bits
          }
          // Unused bits must be zero, since otherwise two texts would stand for the same bytes.
          if value & (padding == 2 ? 0xFFFF : 0xFF) != 0 { seen = notBase64 }
          bytes[filled] = UInt8(truncatingIfNeeded: value >> 16)
          if padding == 1 { bytes[filled + 1] = UInt8(truncatingIfNeeded: value >> 8) }
          filled += 3 - padding
        }
        isSound = seen & notBase64 == 0
      }
    }
    return isSound ? bytes : nil
  }
}

/// A bit that no value of a character has.
private let notBase64: UInt32 = 1 << 31

/// The value of each character of the alphabet; `notBase64` for all others.
private let base64Values: [UInt32] = {
  var values = [UInt32](repeating: notBase64, count: 256)
  for (value, character) in base64Alphabet.enumerated() { values[Int(character)] = UInt32(value) }
  return values
}()
