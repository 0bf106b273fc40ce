import Mneme

@testable import MnemeRedis

extension Target {
  /// Names of keys and members of indexes: what is read from one builds the same bytes again, and the pattern that finds
  /// it matches it.
  static let keys = Target(
    name: "keys",
    words: KeyFamily.allCases.map { ":\($0.rawValue)" + ($0.isKeyed ? ":" : "") } + [
      ":meta", "{", "}", "|", "*", "?", "[", "]", "\\", "9223372036854775807", "default",
      String(repeating: "0a", count: 32),
    ]
  ) { input in
    let prefix = input.field()
    let name = input.remainder()
    let layout = KeyLayout(prefixBytes: prefix)
    for key in [name, prefix + [UInt8(ascii: ":")] + name] {
      guard let parsed = layout.parse(key) else { continue }
      expect(layout.built(from: parsed).bytes == key, "\(shown(key)) was read as \(parsed)")
      for pattern in [
        layout.everyKey, layout.pattern(parsed.family),
        layout.pattern(parsed.family, namespace: parsed.namespace),
      ] {
        expect(matches(pattern[...], key[...]), "\(shown(pattern)) does not match \(shown(key))")
      }
    }
    let exact = KeyLayout.escapingGlob(prefix)
    expect(matches(exact[...], prefix[...]), "\(shown(prefix)) does not match itself")
    if name != prefix { expect(!matches(exact[...], name[...]), "\(shown(exact)) matches \(shown(name))") }

    if let id = EntryID(member: name) {
      expect(Array(id.member.utf8) == name && id.rawValue > 0, "\(shown(name)) is the id \(id)")
    }
    if let (id, namespace) = KeyLayout.parseTTLMember(name) {
      let member = namespace.map { KeyLayout.pythonTTLMember($0, id) } ?? Array(id.member.utf8)
      expect(member == name, "\(shown(name)) is \(shown(member))")
    }
    if let prefix = KeyLayout.prefix(ofMeta: name) {
      expect(KeyLayout(prefixBytes: prefix).meta.bytes == name, "\(shown(name)) is not a meta of its prefix")
    }
    let tagged = KeyHashTag.tagged(String(decoding: prefix, as: UTF8.self))
    expect(KeyHashTag.ofKeys(under: tagged) != nil, "'\(tagged)' has no hash tag")
  }
}

extension KeyLayout {
  fileprivate func built(from parsed: ParsedKey) -> Key {
    switch (parsed.family, parsed.id, parsed.namespace, parsed.queryHash) {
    case (.entry, let id?, _, _): entry(id)
    case (.hash, _, let namespace?, let queryHash?): hash(namespace, queryHash)
    case (.lru, _, let namespace?, _): lru(namespace)
    case (.counters, _, let namespace?, _): counters(namespace)
    case (.quota, _, let namespace?, _): quota(namespace)
    default: key(parsed.family)
    }
  }
}

/// The part of Redis's glob matching that mneme's patterns use: `*` at the end, and escapes. (`[` and `?` match
/// nothing here, because a pattern must not contain them bare.)
private func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
  var pattern = pattern
  var text = text
  while let sign = pattern.popFirst() {
    switch sign {
    case UInt8(ascii: "*"): return pattern.isEmpty
    case UInt8(ascii: "?"), UInt8(ascii: "["): return false
    case UInt8(ascii: "\\"):
      guard let next = pattern.popFirst(), next == text.popFirst() else { return false }
    default:
      guard sign == text.popFirst() else { return false }
    }
  }
  return text.isEmpty
}
