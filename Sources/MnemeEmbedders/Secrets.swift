import Mneme

/// A URL as it may be shown: without a user, a password and a query. Where a password has a slash, say, that should have
/// been escaped, nothing tells how far it goes, and little is shown.
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

/// Whether a colon, but for those of an IPv6 address, begins a number.
private func isHostAndPort(_ authority: ArraySlice<UInt8>) -> Bool {
  let isBracketed = authority.first == UInt8(ascii: "[")
  let rest = isBracketed ? authority.drop { $0 != UInt8(ascii: "]") } : authority
  return rest.drop { $0 != UInt8(ascii: ":") }.dropFirst().allSatisfy { 48...57 ~= $0 }
}
