/// A text in which some bytes are replaced by others.
///
/// It compares bytes, so that a secret before a combining mark is found too. (The standard library's own search would
/// load regular expressions at the start of every command.)
package func replacing(_ bytes: [UInt8], with others: [UInt8], in text: String) -> String {
  var rest = ArraySlice(text.utf8)
  var result: [UInt8] = []
  while !bytes.isEmpty, let range = rest.firstRange(ofBytes: bytes) {
    result += rest[..<range.lowerBound] + others
    rest = rest[range.upperBound...]
  }
  return String(decoding: result + rest, as: UTF8.self)
}

extension ArraySlice<UInt8> {
  /// The range of the first occurrence of some bytes.
  package func firstRange(ofBytes bytes: [UInt8]) -> Range<Int>? {
    guard bytes.count <= count else { return nil }
    return (startIndex...endIndex - bytes.count).first { self[$0..<$0 + bytes.count].elementsEqual(bytes) }
      .map { $0..<$0 + bytes.count }
  }
}
