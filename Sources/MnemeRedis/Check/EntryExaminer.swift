import Mneme

/// Reads entries and the keys and members that name them, several at a time, each on a consistent view.
///
/// A client changes an entry and its index members in one transaction, and each change shows in the fields that
/// `EntryQuestion.appendHead` reads (a use increases `access_count`). If these fields are the same before and after the
/// indexes were read, all values are from one moment.
///
/// One round trip for each `Batch.examined` entries, since a request reads the index members of some entries and the
/// heads of the next ones. Used by one thread at a time.
final class EntryExaminer: @unchecked Sendable {
  /// Entries that did not change while they were read, and the answers about them.
  struct Page: Sendable {
    fileprivate var asked: [Asked]
    fileprivate var replies: Replies
    /// Members of the index that are not ids.
    var strays: [[UInt8]]
  }

  private let store: RedisStore
  private let standard: EntryStandard
  /// The source of candidates when the queue is empty.
  private var cursor: Cursor?
  private var queue: ArraySlice<(candidate: EntryCandidate, attempt: Int)>
  private var known: [Head] = []
  private var size = Batch.examined
  private var layout: KeyLayout { store.layout }

  /// The number of attempts to read an entry that clients write to at the same time. After them it is skipped, because
  /// it is in use.
  private static let attemptLimit = 8

  /// Examines entries.
  init(_ store: RedisStore, _ standard: EntryStandard, _ candidates: [EntryCandidate]) {
    (self.store, self.standard) = (store, standard)
    queue = candidates.map { ($0, 0) }[...]
  }

  /// Examines the entries that `by_id` lists.
  init(walkingOver store: RedisStore, _ standard: EntryStandard) {
    (self.store, self.standard) = (store, standard)
    queue = []
    cursor = Cursor(.sortedSet(store.layout.byID))
  }

  /// - Returns: nil at the end.
  @Sendable func next() throws -> Page? {
    while true {
      // 1. The places of the entries whose heads are known.
      var request = Pipeline()
      let listed = appendListedQuestions(to: &request)
      let asked = known.map { Asked($0, standard, listed[$0.namespace], to: &request) }
      // 2. The heads of the next entries.
      let coming = queue.prefix(size)
      queue = queue.dropFirst(size)
      let heads = coming.map { place in
        let key = layout.entry(place.candidate.id)
        return (
          EntryQuestion.appendHead(of: key, to: &request),
          request.append("HSTRLEN", key, EntryField.embedding)
        )
      }
      // 3. The entries after those.
      let page = queue.count < size ? cursor?.append(to: &request) : nil
      if request.isEmpty { return nil }
      pause(for: asked)
      let replies = try store.client.read(request, tolerating: true)

      known = zip(coming, heads).map { coming, slots in
        Head(coming.candidate, coming.attempt, replies[slots.0], length: replies[slots.1])
      }
      let strays = try page.map { try take(replies[$0]) } ?? []
      let still = asked.filter { $0.isStill(in: replies) }
      if still.count < asked.count {
        queue += asked.filter { !$0.isStill(in: replies) && $0.head.attempt < Self.attemptLimit }
          .map { ($0.head.candidate, $0.head.attempt + 1) }
      }
      if !asked.isEmpty {
        size = max(1, min(Batch.examined, 2 * size, Batch.bytes / max(1, replies.byteCount / asked.count)))
      }
      if !still.isEmpty || !strays.isEmpty { return Page(asked: still, replies: replies, strays: strays) }
    }
  }

  /// Waits a moment if only entries that have changed in between are read again.
  private func pause(for asked: [Asked]) {
    guard let least = asked.map(\.head.attempt).min(), least > 0 else { return }
    sleep(for: .milliseconds(1 << least))
  }

  /// Takes the next members of the index.
  /// - Returns: the members that are not ids.
  private func take(_ reply: Reply) throws -> [[UInt8]] {
    if let error = reply.error {
      // Entries that the index does not list are found among the keys.
      guard error.code == "WRONGTYPE" else {
        throw store.client.translate(error, command: "ZSCAN", key: layout.byID.text)
      }
      cursor = nil
      return []
    }
    let elements = try cursor?.take(reply) ?? []
    if cursor?.isAtEnd == true { cursor = nil }
    var strays: [[UInt8]] = []
    for place in stride(from: 0, to: elements.count, by: 2) {
      let member = elements[place].bytes
      if let id = EntryID(member: member) {
        queue.append((EntryCandidate(id: id), 0))
      } else {
        strays.append(member)
      }
    }
    return strays
  }

  private func appendListedQuestions(to pipeline: inout Pipeline) -> [Namespace: Slot] {
    var listed: [Namespace: Slot] = [:]
    for head in known where listed[head.namespace] == nil {
      listed[head.namespace] = pipeline.append("SISMEMBER", layout.namespaces, head.namespace.name)
    }
    return listed
  }

  // MARK: One entry

  /// An entry whose index members can be read next.
  fileprivate struct Head: Sendable {
    let candidate: EntryCandidate
    let attempt: Int
    let fields: Reply
    let embeddingLength: Int
    let namespace: Namespace
    let queryHash: String

    init(_ candidate: EntryCandidate, _ attempt: Int, _ fields: Reply, length: Reply) {
      (self.candidate, self.attempt, self.fields) = (candidate, attempt, fields)
      embeddingLength = length.size ?? 0
      namespace =
        fields[0].string.map { Namespace(unchecked: $0) } ?? candidate.claimant ?? .default
      queryHash = fields[1].string ?? ""
    }
  }

  /// An entry whose index members were read.
  fileprivate struct Asked: Sendable {
    let head: Head
    private let listed: Slot?
    private let byID, lru, byTTL, pythonTTL, hashKey: Slot
    private let entryExpiry, hashKeyExpiry: Slot
    private let claimantLRU, claimantTTL: Slot?
    /// The read that shows whether there is a vector. It is needed only for some lengths.
    private let hasEmbedding: Slot?
    /// The read that shows whether the key exists. It is needed only for some heads.
    private let exists: Slot?
    private let readsVector: Bool
    private let fields: Slot

    init(_ head: Head, _ standard: EntryStandard, _ listed: Slot?, to pipeline: inout Pipeline) {
      (self.head, self.listed) = (head, listed)
      let (layout, id, namespace) = (standard.layout, head.candidate.id, head.namespace)
      let entry = layout.entry(id)
      let hashKey = layout.hash(namespace, head.queryHash)
      byID = pipeline.append("ZSCORE", layout.byID, id.member)
      lru = pipeline.append("ZSCORE", layout.lru(namespace), id.member)
      byTTL = pipeline.append("ZSCORE", layout.byTTL, id.member)
      pythonTTL = pipeline.append("ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(namespace, id))
      self.hashKey = pipeline.append("GET", hashKey)
      if standard.tellsExpiry {
        entryExpiry = pipeline.append("PEXPIRETIME", entry)
        hashKeyExpiry = pipeline.append("PEXPIRETIME", hashKey)
      } else {
        entryExpiry = pipeline.append("PTTL", entry)
        hashKeyExpiry = pipeline.append("PTTL", hashKey)
      }
      if let claimant = head.candidate.claimant, claimant != namespace {
        claimantLRU = pipeline.append("ZSCORE", layout.lru(claimant), id.member)
        claimantTTL = pipeline.append("ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(claimant, id))
      } else {
        (claimantLRU, claimantTTL) = (nil, nil)
      }
      hasEmbedding =
        head.embeddingLength == 0 ? pipeline.append("HEXISTS", entry, EntryField.embedding) : nil
      exists =
        head.fields.elements.allSatisfy(\.isNull) ? pipeline.append("EXISTS", entry) : nil
      readsVector = standard.isReadableVector(head.embeddingLength)
      fields = EntryQuestion.appendFields(of: entry, withVector: readsVector, to: &pipeline)
    }

    /// Whether the entry is unchanged since its head was read.
    func isStill(in replies: Replies) -> Bool {
      let now = replies[fields]
      if head.fields.kind == .error || now.kind == .error { return head.fields.kind == now.kind }
      return zip(head.fields.elements, now.elements).allSatisfy { $0.isSame(as: $1) }
    }

    func view(in replies: Replies) -> EntryView {
      func expiry(_ slot: Slot) -> Int64? { replies[slot].integer.flatMap { $0 >= 0 ? $0 : nil } }
      func place(_ slot: Slot?) -> IndexPlace { slot.map { IndexPlace(replies[$0]) } ?? .missing }
      let content = replies[fields]
      let hasEmbedding = hasEmbedding.map { replies[$0].integer == 1 } ?? true
      let reading = EntryReading(
        fields: content, embeddingBytes: hasEmbedding ? head.embeddingLength : nil,
        exists: exists.map { replies[$0].integer != 0 } ?? true)
      var view = EntryView(candidate: head.candidate, namespace: head.namespace, reading: reading)
      if readsVector, case .sound = reading {
        view.flaw = content[EntryQuestion.vector].withBytes { Embedding.Flaw(in: $0) }
      }
      (view.byID, view.lru) = (place(byID), place(lru))
      view.byTTL = [place(byTTL), place(pythonTTL)]
      view.pointer = EntryView.Pointer(replies[hashKey], of: head.candidate.id)
      view.isListed = listed.flatMap { replies[$0].integer.map { $0 == 1 } }
      (view.entryExpiry, view.hashKeyExpiry) = (expiry(entryExpiry), expiry(hashKeyExpiry))
      (view.claimantLRU, view.claimantTTL) = (place(claimantLRU), place(claimantTTL))
      return view
    }
  }
}

extension EntryExaminer.Page {
  /// The views of the entries that the replies give.
  var views: [EntryView] { asked.map { $0.view(in: replies) } }
}

extension EntryView.Pointer {
  /// - Parameter pointer: the value of the `hash:` key of an entry's query.
  init(_ pointer: Reply, of id: EntryID) {
    switch pointer.kind {
    case .null: self = .missing
    case .error: self = .unreadable
    default:
      let other = EntryID(member: pointer.bytes)
      self = other.map { $0 == id ? .right : .other($0) } ?? .noID
    }
  }
}

extension RedisStore {
  /// Checks whether the entries of `hash:` keys have the right query.
  /// - Returns: the views that are still valid, without those whose entry or key has changed in between. One round
  ///   trip if a key leads to another entry.
  func resolvingPointers(_ views: [EntryView]) throws -> [EntryView] {
    typealias Slots = (rival: Slot, pointer: Slot)
    var request = Pipeline()
    let asked = views.map { view -> Slots? in
      guard case .other(let other) = view.pointer, case .sound(let facts) = view.reading else { return nil }
      return (
        request.append("HMGET", layout.entry(other), EntryField.namespace, EntryField.queryHash),
        request.append("GET", layout.hash(facts.namespace, facts.queryHash))
      )
    }
    let replies = try client.read(request, tolerating: true)
    return zip(views, asked).compactMap { view, slots in
      guard let slots, case .other(let other) = view.pointer, case .sound(let facts) = view.reading else {
        return view
      }
      guard EntryView.Pointer(replies[slots.pointer], of: view.candidate.id) == view.pointer else {
        return nil
      }
      var view = view
      view.pointer =
        replies[slots.rival].isEntry(of: facts.namespace, facts.queryHash)
        ? .ofSameQuery(other) : .ofAnotherQuery
      return view
    }
  }
}

extension Reply {
  /// Whether the first fields of a reply to `EntryQuestion.appendHead` are these.
  func isEntry(of namespace: Namespace, _ queryHash: String) -> Bool {
    self[0].withBytes { $0.elementsEqual(namespace.name.utf8) }
      && self[1].withBytes { $0.elementsEqual(queryHash.utf8) }
  }
}
