extension JSONText {
  /// Appends a text as a JSON string, quotes included.
  ///
  /// It escapes the characters that RFC 8259 requires, and every other character for which `isHazardous` is true. A
  /// reader gets the same text, and the JSON cannot control a terminal.
  ///
  /// Plain bytes are copied in runs. A text of a model has a line break or a quote every 50 bytes or so, and an append
  /// for each character took seven times as long as the rest of an export.
  package static func append(_ text: String, to bytes: inout [UInt8]) {
    var text = text
    text.withUTF8 { utf8 in
      bytes.append(UInt8(ascii: "\""))
      var runStart = 0
      var index = 0
      while let found = firstToCheck(in: utf8, from: index) {
        guard let (escape, length) = escape(at: found, in: utf8) else {
          index = found + 1
          continue
        }
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[runStart..<found]))
        bytes.append(contentsOf: escape)
        index = found + length
        runStart = index
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[runStart...]))
      bytes.append(UInt8(ascii: "\""))
    }
  }

  /// A text as a JSON string, quotes included.
  package static func quoted(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    append(text, to: &bytes)
    return bytes
  }

  /// The place of the next byte that must be escaped, or begins a character that may have to be.
  private static func firstToCheck(in utf8: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    bytesToCheck.withUnsafeBufferPointer { mustCheck in
      var index = start
      while index < utf8.count {
        if mustCheck[Int(utf8[index])] { return index }
        index += 1
      }
      return nil
    }
  }

  /// The escape of the character at `index` and how many bytes the character has; nil if it needs no escape.
  private static func escape(
    at index: Int, in utf8: UnsafeBufferPointer<UInt8>
  ) -> (escape: [UInt8], length: Int)? {
    let byte = utf8[index]
    if byte < 0x80 { return (asciiEscapes[Int(byte)], 1) }
    // A String is valid UTF-8: the bytes of the character are there.
    let length = byte < 0xE0 ? 2 : 3
    let value =
      length == 2
      ? UInt32(byte & 0x1F) << 6 | UInt32(utf8[index + 1] & 0x3F)
      : UInt32(byte & 0x0F) << 12 | UInt32(utf8[index + 1] & 0x3F) << 6 | UInt32(utf8[index + 2] & 0x3F)
    guard let scalar = Unicode.Scalar(value), isHazardous(scalar) else { return nil }
    return (unicodeEscape(value), length)
  }

  fileprivate static func unicodeEscape(_ value: UInt32) -> [UInt8] {
    Array("\\u\(hexadecimal(value, digits: 4))".utf8)
  }
}

/// The escape of each ASCII character that needs one; empty for the others.
private let asciiEscapes = (0..<128).map { (byte: UInt8) -> [UInt8] in
  switch byte {
  case UInt8(ascii: "\""): Array("\\\"".utf8)
  case UInt8(ascii: "\\"): Array("\\\\".utf8)
  case UInt8(ascii: "\n"): Array("\\n".utf8)
  case UInt8(ascii: "\r"): Array("\\r".utf8)
  case UInt8(ascii: "\t"): Array("\\t".utf8)
  default: isHazardous(Unicode.Scalar(byte)) ? JSONText.unicodeEscape(UInt32(byte)) : []
  }
}

/// True for each byte that must be escaped, and for the first byte of the longer characters that `isHazardous` names.
private let bytesToCheck = (0...255).map { (byte: UInt8) -> Bool in
  byte < 0x80 ? !asciiEscapes[Int(byte)].isEmpty : byte == 0xC2 || byte == 0xD8 || byte == 0xE2
}
