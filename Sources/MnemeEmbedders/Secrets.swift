import Mneme

/// Returns a URL for messages: without user, password and query. If a password may contain an unescaped slash, its end
/// is not known, and only a small part is shown.
func address(of url: String) -> String {
  let bytes = Array(url.utf8)
  let scheme = bytes.prefix { !"/?#@".utf8.contains($0) }
  let start =
    scheme.last == UInt8(ascii: ":") && bytes[scheme.endIndex...].starts(with: "//".utf8)
    ? scheme.endIndex + 2 : 0
  let authority = bytes[start...].prefix { !"/?#".utf8.contains($0) }
  let at = authority.lastIndex(of: UInt8(ascii: "@"))
  if at == nil, !isHostAndPort(authority), bytes[start...].contains(UInt8(ascii: "@")) {
    return String(decoding: bytes[..<start], as: UTF8.self) + "***"
  }
  let shown = bytes[(at.map { $0 + 1 } ?? start)...].prefix { !"?#".utf8.contains($0) }
  return String(decoding: bytes[..<start] + shown, as: UTF8.self)
}

/// Whether a number follows a colon that is not part of an IPv6 address.
private func isHostAndPort(_ authority: ArraySlice<UInt8>) -> Bool {
  let isBracketed = authority.first == UInt8(ascii: "[")
  let rest = isBracketed ? authority.drop { $0 != UInt8(ascii: "]") } : authority
  return rest.drop { $0 != UInt8(ascii: ":") }.dropFirst().allSatisfy { 48...57 ~= $0 }
}
