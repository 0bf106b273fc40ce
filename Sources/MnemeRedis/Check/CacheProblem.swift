import Mneme

/// Something in a cache that does not fit the rest of it, confirmed by a second look.
public struct CacheProblem: Sendable, Equatable {
  /// What is wrong, in the distinctions that a repair acts on. The raw values are names that scripts rely on.
  public enum Kind: String, Sendable, CaseIterable {
    // An entry by itself.
    /// It lacks a field, or a field holds what is no value of it; nobody can be served from it.
    case damagedEntry = "damaged-entry"
    /// When it was last used, or how often, is no number.
    case unreadableUse = "unreadable-use"
    /// Its vector has another length than the cache's.
    case wrongEmbedding = "wrong-embedding"
    /// Its vector is all zeros, holds what is no finite number, or is not of length 1.
    case incomparableEmbedding = "incomparable-embedding"
    /// It holds text that is not UTF-8, or metadata that Python's `json` refuses.
    case unreadableByPython = "unreadable-by-python"
    /// `query_hash` is the hash of another query than the one it holds.
    case wrongQueryHash = "wrong-query-hash"
    /// It was put or used more than a day after now, as a time in milliseconds is.
    case futureEntry = "future-entry"
    /// Redis will take it, or its `hash:` key, before its own time to live is over.
    case earlyExpiry = "early-expiry"

    // An entry and what points at it.
    /// The exact layer answers its query from another entry.
    case shadowedEntry = "shadowed-entry"
    /// The exact layer has no key for its query, or one that leads to no entry of that query.
    case missingHashKey = "missing-hash-key"
    /// `by_id` lacks it, or has it at another place.
    case wrongByID = "wrong-by-id"
    /// Its namespace's `lru` lacks it, or has it at another time than that of its last use.
    case wrongLRU = "wrong-lru"
    /// `by_ttl` lacks it, has it at another time than that of its expiry, or though it never expires.
    case wrongByTTL = "wrong-by-ttl"
    /// It is in a namespace that `namespaces` does not list.
    case unlistedNamespace = "unlisted-namespace"

    // What points at no entry.
    /// Indexes list an id that has no entry: Redis's own expiry, an eviction by Redis, or a deletion by hand.
    case leftover
    /// An index lists what is no id, or an entry of another namespace.
    case strayMember = "stray-member"
    /// A `hash:` key holds the id of an entry that is not there any more.
    case leftoverHashKey = "leftover-hash-key"
    /// A `hash:` key holds no id, or that of no entry of its query.
    case danglingHashKey = "dangling-hash-key"
    /// `namespaces` lists one that has no entries.
    case emptyNamespace = "empty-namespace"

    // The cache as a whole.
    /// `next_id` is no number, or below an id that is in use.
    case wrongNextID = "wrong-next-id"
    /// `version` is missing, no number, or one that cannot grow any more.
    case wrongVersion = "wrong-version"
    /// A quota is in one of its two places only, or is not a number there.
    case wrongQuota = "wrong-quota"
    /// The two places of a quota differ, as each start of a Python program leaves them that has another in its settings.
    case overwrittenQuota = "overwritten-quota"
    /// A counter is no number, or one that cannot grow any more.
    case wrongCounter = "wrong-counter"
    /// Nothing in `meta` says that a namespace has counters, so that totals leave them out.
    case unmarkedCounters = "unmarked-counters"
    /// `meta` does not say who filled the cache, or not in numbers.
    case wrongMeta = "wrong-meta"
    /// A key of the layout is of another type.
    case wrongType = "wrong-type"
  }

  public var kind: Kind
  /// The key that a repair would change, as bytes.
  public var key: [UInt8]
  /// nil where it concerns no one entry.
  public var id: EntryID?
  /// nil where it concerns no one namespace, or where nothing tells which.
  public var namespace: Namespace?
  /// The member of an index that is no id, where that is the problem.
  var member: [UInt8]?
  /// What is wrong, in one sentence. No query and no answer is in it.
  public var detail: String

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
  public var object: ErrorObject {
    id.map { .entry($0) } ?? .key(String(decoding: key, as: UTF8.self))
  }

  /// A step that repairs it.
  public var remedy: Remedy {
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
  public var isLeftover: Bool { kind == .leftover || kind == .leftoverHashKey }

  /// Whether no Python program can open the cache as long as the entry is there, and no repair can make it readable.
  public var keepsPythonOut: Bool {
    switch kind {
    case .wrongEmbedding, .unreadableByPython: true
    case .wrongType: id != nil
    default: false
    }
  }
}

extension CacheProblem.Kind {
  /// Normal in a cache that is in use, and no reason to call it damaged: what Redis's own expiry leaves until the next
  /// vacuum, and what a Python program changes on purpose.
  public var isNote: Bool {
    switch self {
    case .leftover, .leftoverHashKey, .overwrittenQuota: true
    default: false
    }
  }

  /// Why `RedisStore.repair` reports it and does not change it; nil where it repairs it, which costs no answer that is
  /// served.
  public var reasonToLeave: String? {
    switch self {
    case .wrongEmbedding:
      "whether the vector or the dimension in meta is wrong cannot be told; no Python program can open the cache while "
        + "it is there"
    case .unreadableByPython:
      "mneme serves it, and what the text should be cannot be told; no Python program can open the cache while it is there"
    case .incomparableEmbedding:
      "its very question is answered from it, and only its embedder can make the vector anew"
    case .futureEntry: "it is served, and when it was put cannot be told"
    case .wrongQueryHash: "it may be served, and to which query it belongs cannot be told"
    case .wrongMeta: "only the application that fills the cache knows its embedder"
    case .wrongType: "it may be another program's"
    default: nil
    }
  }

  /// What a repair does, after its name.
  package var repairing: String {
    switch self {
    case .damagedEntry: "removes it: nobody can be served from it"
    case .unreadableUse: "counts its uses from now on"
    case .earlyExpiry: "gives it the time that it has"
    case .shadowedEntry: "removes it; its query keeps the other answer"
    case .missingHashKey, .unlistedNamespace, .wrongByID, .wrongLRU, .wrongByTTL:
      "enters it as the entry says"
    case .strayMember, .danglingHashKey, .leftoverHashKey, .emptyNamespace: "takes it out"
    case .wrongNextID: "sets it to the highest id"
    case .wrongVersion: "sets it to a higher number"
    case .wrongQuota, .overwrittenQuota: "sets both to the one that is in force"
    case .wrongCounter: "counts from zero"
    case .unmarkedCounters: "sets the mark"
    case .leftover, .wrongEmbedding, .incomparableEmbedding, .unreadableByPython, .futureEntry,
      .wrongQueryHash, .wrongMeta,
      .wrongType:
      "leaves it"
    }
  }
}

/// The options of a check.
public struct CheckOptions {
  /// Only what concerns this namespace is reported; nil: everything.
  public var namespace: Namespace?
  /// Times are compared with this moment.
  public var now: UnixTime = systemClock()
  /// Between the two looks at what seems wrong: longer than a writer takes that writes in several steps.
  public var secondLook = Duration.milliseconds(50)
  /// Stopped early, a check reports nothing that it has not confirmed yet. Progress counts entries.
  public var control = WorkControl()

  public init() {}
}

/// What a check looked at, and what it found.
public struct CheckSummary: Sendable, Equatable {
  /// Entries that were read, damaged ones too.
  public var entries = 0
  /// Keys of the prefix that were seen.
  public var keys = 0
  /// How many problems of each kind were reported.
  public var problems: [CacheProblem.Kind: Int] = [:]
  /// Whether the check came to its end.
  public var complete = true

  public init() {}

  /// Other caches whose prefix begins with this one's, and how many of their keys were seen. They are left alone.
  public var otherCaches: [OtherCache] = []

  /// The number of reported problems, without notes.
  public var problemCount: Int { problems.reduce(0) { $1.key.isNote ? $0 : $0 + $1.value } }
  /// The number of reported index members and `hash:` keys whose entries are gone. The next vacuum removes them.
  public var leftovers: Int { (problems[.leftover] ?? 0) + (problems[.leftoverHashKey] ?? 0) }
}
