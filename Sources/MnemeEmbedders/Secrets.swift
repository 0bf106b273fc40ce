import Mneme

/// A URL as it may be shown: without a user, a password and a query.
func address(of url: String) -> String {
  let bytes = Array(url.utf8)
  let end = bytes.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? bytes.count
  let start = bytes[..<end].firstRange(ofBytes: Array("://".utf8))?.upperBound ?? 0
  let authorityEnd = bytes[start..<end].firstIndex(of: UInt8(ascii: "/")) ?? end
  let at = bytes[start..<authorityEnd].lastIndex(of: UInt8(ascii: "@"))
  return String(decoding: bytes[..<start] + bytes[(at.map { $0 + 1 } ?? start)..<end], as: UTF8.self)
}
