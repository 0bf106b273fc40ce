import Mneme

/// The part of a key that decides, on a cluster, which node has the key.
///
/// Redis Cluster specification, "Hash tags": the text between the first `{` and the first `}` after it, if it is
/// not empty. All keys of a cache must have the same, because a transaction cannot span nodes.
enum KeyHashTag {
  /// The tag of every key under a prefix; nil if the keys would be in different slots.
  static func ofKeys(under prefix: String) -> String? {
    let bytes = prefix.utf8
    guard let open = bytes.firstIndex(of: UInt8(ascii: "{")) else { return nil }
    let inside = bytes[bytes.index(after: open)...]
    guard let close = inside.firstIndex(of: UInt8(ascii: "}")), close != inside.startIndex else { return nil }
    return String(decoding: inside[..<close], as: UTF8.self)
  }

  /// The prefix to use instead of one without a tag: `{mneme}` for `mneme`.
  static func tagged(_ prefix: String) -> String {
    let whole = "{\(prefix)}"
    // A prefix that begins with '}' would leave its tag empty.
    return ofKeys(under: whole) == nil ? "{mneme}\(prefix)" : whole
  }
}

/// The keys of a store: all keys under one prefix.
struct Keyspace: Equatable {
  let prefix: String
  /// A read of one of the keys, which only the node with these keys answers.
  let probe: Pipeline

  /// The pattern of the keys, for messages.
  var pattern: String { visible(String(decoding: KeyLayout(prefix: prefix).everyKey, as: UTF8.self)) }

  static func == (a: Keyspace, b: Keyspace) -> Bool { a.prefix.utf8.elementsEqual(b.prefix.utf8) }
}

extension StoreBackendError {
  static func needsHashTag(prefix: String, server: String, cause: (any Error)? = nil) -> StoreBackendError {
    let shown = visible(prefix)
    let tagged = visible(KeyHashTag.tagged(prefix))
    return StoreBackendError(
      .needsHashTag,
      "\(server) is a Redis Cluster, and the keys under the prefix '\(shown)' would lie on different nodes of it.",
      about: .keyPrefix(tagged), remedy: .tagKeyPrefix, cause: cause)
  }
}
