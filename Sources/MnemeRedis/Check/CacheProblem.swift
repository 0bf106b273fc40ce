import Mneme

/// Something in a cache that does not fit the rest of it, confirmed by a second look.
package struct CacheProblem: Sendable, Equatable {
  /// The kind of problem, which decides the repair. Scripts rely on the raw values.
  package enum Kind: String, Sendable, CaseIterable {
    // An entry by itself.
    /// It lacks a field, or a field is not valid. It cannot be served.
    case damagedEntry = "damaged-entry"
    /// The time of its last use, or its number of uses, is not a number.
    case unreadableUse = "unreadable-use"
    /// Its vector has another length than the cache's.
    case wrongEmbedding = "wrong-embedding"
    /// Its vector is all zeros, not finite, or not of length 1.
    case incomparableEmbedding = "incomparable-embedding"
    /// It holds text that is not UTF-8, or metadata that Python's `json` refuses.
    case unreadableByPython = "unreadable-by-python"
    /// `query_hash` is the hash of another query than the one it holds.
    case wrongQueryHash = "wrong-query-hash"
    /// It was stored or used more than a day in the future, as with times in milliseconds.
    case futureEntry = "future-entry"
    /// Redis will expire it, or its `hash:` key, before its own time to live is over.
    case earlyExpiry = "early-expiry"

    // An entry and its indexes.
    /// An exact match of its query finds another entry.
    case shadowedEntry = "shadowed-entry"
    /// There is no `hash:` key for its query, or it leads to no entry of that query.
    case missingHashKey = "missing-hash-key"
    /// `by_id` lacks it, or has it with another score.
    case wrongByID = "wrong-by-id"
    /// Its namespace's `lru` lacks it, or has it at another time than that of its last use.
    case wrongLRU = "wrong-lru"
    /// `by_ttl` lacks it, has it at another time than that of its expiry, or though it never expires.
    case wrongByTTL = "wrong-by-ttl"
    /// It is in a namespace that `namespaces` does not list.
    case unlistedNamespace = "unlisted-namespace"

    // Index members and `hash:` keys without an entry.
    /// Indexes list an id that has no entry: Redis's own expiry, an eviction by Redis, or a deletion by hand.
    case leftover
    /// An index lists a member that is not an id, or an entry of another namespace.
    case strayMember = "stray-member"
    /// A `hash:` key holds the id of an entry that is gone.
    case leftoverHashKey = "leftover-hash-key"
    /// A `hash:` key does not hold an id, or the id of an entry with another query.
    case danglingHashKey = "dangling-hash-key"
    /// `namespaces` lists one that has no entries.
    case emptyNamespace = "empty-namespace"

    // The cache as a whole.
    /// `next_id` is not a number, or below an id that is in use.
    case wrongNextID = "wrong-next-id"
    /// `version` is missing, not a number, or too large to grow.
    case wrongVersion = "wrong-version"
    /// A quota is in one of its two places only, or is not a number there.
    case wrongQuota = "wrong-quota"
    /// The two places of a quota differ. A Python program with another quota in its configuration does that at each
    /// start.
    case overwrittenQuota = "overwritten-quota"
    /// A counter is not a number, or too large to grow.
    case wrongCounter = "wrong-counter"
    /// `meta` does not say that a namespace has counters, so totals leave them out.
    case unmarkedCounters = "unmarked-counters"
    /// `meta` lacks the embedder or its dimension, or has one that is not valid.
    case wrongMeta = "wrong-meta"
    /// A key of the layout is of another type.
    case wrongType = "wrong-type"
  }

  package var kind: Kind
  /// The key that a repair would change, as bytes.
  package var key: [UInt8]
  /// nil if it does not concern a single entry.
  package var id: EntryID?
  /// nil if it does not concern a single namespace, or if the namespace is not known.
  package var namespace: Namespace?
  /// The member of an index that is not an id, if that is the problem.
  var member: [UInt8]?
  /// The problem, in one sentence, without a query or an answer.
  package var detail: String

  init(
    _ kind: Kind, _ key: Key, id: EntryID? = nil, namespace: Namespace? = nil, _ detail: String
  ) {
    self.kind = kind
    self.key = key.bytes
    self.id = id
    self.namespace = namespace
    self.detail = detail
  }

  /// The object of the remedy.
  package var object: ErrorObject {
    id.map { .entry($0) } ?? .key(String(decoding: key, as: UTF8.self))
  }

  /// The step that repairs the problem.
  package var remedy: Remedy {
    switch kind {
    case .leftover, .leftoverHashKey: .removeLeftovers
    case .overwrittenQuota: .keepQuota
    case .wrongEmbedding, .incomparableEmbedding, .wrongQueryHash, .unreadableByPython, .futureEntry:
      .replaceEntry
    case .wrongMeta: .restoreMeta
    case .wrongType: id == nil ? .deleteKey : .removeEntryKey
    default: .repair
    }
  }
}

extension CacheProblem {
  /// Whether it names an entry that is gone, which a vacuum removes without being asked to repair.
  package var isLeftover: Bool { kind == .leftover || kind == .leftoverHashKey }

  /// Whether no Python program can open the cache as long as the entry is there, and no repair can make it readable.
  package var keepsPythonOut: Bool {
    switch kind {
    case .wrongEmbedding, .unreadableByPython: true
    case .wrongType: id != nil
    default: false
    }
  }
}

extension CacheProblem.Kind {
  /// Whether it is normal in a cache that is in use: leftovers until the next vacuum, and quotas that a Python program
  /// sets.
  package var isNote: Bool {
    switch self {
    case .leftover, .leftoverHashKey, .overwrittenQuota: true
    default: false
    }
  }

  /// The reason why `RedisStore.repair` reports it and does not change it. nil if it repairs it, which loses no usable
  /// answer.
  package var reasonToLeave: String? {
    switch self {
    case .wrongEmbedding:
      "it is not known whether the vector or the dimension in meta is wrong; Python programs cannot open the cache while "
        + "it is there"
    case .unreadableByPython:
      "mneme serves it, and its right text is not known; Python programs cannot open the cache while it is there"
    case .incomparableEmbedding:
      "it still gives exact hits, and only its embedder can make the vector again"
    case .futureEntry: "it is served, and its right time is not known"
    case .wrongQueryHash: "it may be served, and its right query is not known"
    case .wrongMeta: "only the application that fills the cache knows its embedder"
    case .wrongType: "it may belong to another program"
    default: nil
    }
  }

  /// The predicate of the sentence that says what a repair does.
  package var repairing: String {
    switch self {
    case .damagedEntry: "removes it, because it cannot be served"
    case .unreadableUse: "counts its uses from zero"
    case .earlyExpiry: "sets its expiry to its own time to live"
    case .shadowedEntry: "removes it; the other answer to its query stays"
    case .missingHashKey, .unlistedNamespace: "adds it"
    case .wrongByID, .wrongLRU, .wrongByTTL: "corrects it"
    case .strayMember, .danglingHashKey, .leftoverHashKey, .emptyNamespace: "removes it"
    case .wrongNextID: "sets it to the highest id"
    case .wrongVersion: "sets it to a higher number"
    case .wrongQuota, .overwrittenQuota: "sets both to the quota in force"
    case .wrongCounter: "sets it to zero"
    case .unmarkedCounters: "sets the mark"
    case .leftover, .wrongEmbedding, .incomparableEmbedding, .unreadableByPython, .futureEntry,
      .wrongQueryHash, .wrongMeta,
      .wrongType:
      "leaves it"
    }
  }
}

/// The options of a check.
package struct CheckOptions {
  /// The namespace whose problems are reported; nil for all.
  package var namespace: Namespace?
  /// The moment with which times are compared.
  package var now: UnixTime = systemClock()
  /// The pause between the two looks at a problem. It is longer than the time that a client needs to write in several
  /// steps.
  package var secondLook = Duration.milliseconds(50)
  /// The control. A check that is stopped reports only confirmed problems. Progress counts entries.
  package var control = WorkControl()

  package init() {}
}

/// The result of a check.
package struct CheckSummary: Sendable, Equatable {
  /// Entries that were read, damaged ones too.
  package var entries = 0
  /// Keys of the prefix that were seen.
  package var keys = 0
  /// The number of problems of each kind.
  package var problems: [CacheProblem.Kind: Int] = [:]
  /// Whether the check came to its end.
  package var complete = true

  package init() {}

  /// Other caches whose prefix begins with this one's, and the number of their keys seen. They are not checked.
  package var otherCaches: [OtherCache] = []

  /// The number of reported problems, without notes.
  package var problemCount: Int { problems.reduce(0) { $1.key.isNote ? $0 : $0 + $1.value } }
  /// The number of reported index members and `hash:` keys whose entries are gone. The next vacuum removes them.
  package var leftovers: Int { (problems[.leftover] ?? 0) + (problems[.leftoverHashKey] ?? 0) }
}
