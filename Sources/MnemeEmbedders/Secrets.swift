/// A URL as it may be shown: without a user, a password and a query.
func address(of url: String) -> String {
  let bytes = Array(url.utf8)
  let end = bytes.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? bytes.count
  let start = bytes[..<end].range(of: Array("://".utf8))?.upperBound ?? 0
  let authorityEnd = bytes[start..<end].firstIndex(of: UInt8(ascii: "/")) ?? end
  let at = bytes[start..<authorityEnd].lastIndex(of: UInt8(ascii: "@"))
  return String(decoding: bytes[..<start] + bytes[(at.map { $0 + 1 } ?? start)..<end], as: UTF8.self)
}

/// Words of a stranger, with asterisks in place of a secret of ours that they repeat.
func redacting(_ secret: String?, in text: String) -> String {
  guard let secret, !secret.isEmpty else { return text }
  let secretBytes = Array(secret.utf8)
  var rest = ArraySlice(text.utf8)
  var safe: [UInt8] = []
  while let range = rest.range(of: secretBytes) {
    safe += rest[..<range.lowerBound] + Array("***".utf8)
    rest = rest[range.upperBound...]
  }
  return String(decoding: safe + rest, as: UTF8.self)
}

extension ArraySlice<UInt8> {
  /// Where a text stands first. (The standard library's own search would bring regular expressions into the start of
  /// every command.)
  fileprivate func range(of text: [UInt8]) -> Range<Int>? {
    guard text.count <= count else { return nil }
    return (startIndex...endIndex - text.count).first { self[$0..<$0 + text.count].elementsEqual(text) }
      .map { $0..<$0 + text.count }
  }
}
