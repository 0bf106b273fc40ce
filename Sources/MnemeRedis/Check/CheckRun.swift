import Mneme

/// A check under way.
///
/// 1. It walks over keys and indexes a page at a time, and examines each entry on a consistent view of the entry and
///    its index members.
/// 2. After a pause, it examines possible problems again. A problem is reported only if it is found twice.
///
/// Its memory does not grow with the cache: it keeps a page, the possible problems since the last pause, and a number
/// for each reported problem. It sends only reading commands, and neither `WATCH` nor `MULTI`, which a user with read
/// access may not be permitted to run.
final class CheckRun {
  /// An object to be examined.
  enum Candidate: Hashable {
    case entry(EntryCandidate)
    case hashKey([UInt8])
    /// A member of an index or set that is not an id or namespace.
    case member(Key, [UInt8])
    case namespace(Namespace)
    case quota(Namespace)
    case counters(Namespace)
    case wholeCache
  }

  let store: RedisStore
  let options: CheckOptions
  let report: (CacheProblem) throws -> Void
  var summary = CheckSummary()

  /// The values that entries are checked against.
  var standard: EntryStandard
  var highestID: Int64 = 0
  let otherCaches: OtherCaches

  private var share = 0.0
  /// The problems that were found once and not confirmed yet.
  private var pending: [(candidate: Candidate, problems: [CacheProblem])] = []
  /// The most candidates that are pending. A pause applies to as many as possible.
  private static let pendingLimit = 4096
  /// Digests of the reported problems, since several walks may find the same one. Beyond the limit a problem may be
  /// reported twice.
  private var reported: Set<Int> = []
  private static let reportedLimit = 1 << 20

  init(
    _ store: RedisStore, _ options: CheckOptions, report: @escaping (CacheProblem) throws -> Void
  ) {
    self.store = store
    self.options = options
    self.report = report
    standard = EntryStandard(layout: store.layout)
    standard.latestTime = options.now + Seconds(86_400)
    otherCaches = OtherCaches(store)
  }

  var layout: KeyLayout { store.layout }

  /// Ends the check after a stop request.
  private struct Stopped: Error {}

  func run() throws -> CheckSummary {
    do {
      try lookAtMeta()
      // The keys are first, because `lru:` keys show the namespace of leftovers that other indexes list too.
      try walkKeys()
      try walkByID()
      try walkIndex(layout.byTTL)
      try walkNamespaces()
      try walkQuotas()
      try examine([.wholeCache])
      try examinePending()
    } catch is Stopped {
      summary.complete = false
    }
    summary.otherCaches = otherCaches.found
    return summary
  }

  /// Checks only the numbers that can make transactions fail: a version and counters that cannot grow.
  func runOnNumbers() throws {
    do {
      try walkNamedCounters()
      try examine([.wholeCache])
      try examinePending()
    } catch is Stopped {
      // A control that stops the walk also stops the rest.
    }
  }

  // MARK: Asking

  func ask<Answer>(_ build: (inout Pipeline) throws -> Question<Answer>) throws -> Answer {
    var pipeline = Pipeline()
    let question = try build(&pipeline)
    return try store.client.read(pipeline, tolerating: true)[question]
  }

  /// Reads values about each of the subjects in one round trip.
  func ask<Subject, Answer>(
    about subjects: [Subject], _ append: (Subject, inout Pipeline) -> Question<Answer>
  ) throws -> [Answer] {
    var pipeline = Pipeline()
    let questions = subjects.map { append($0, &pipeline) }
    let replies = try store.client.read(pipeline, tolerating: true)
    return try questions.map { try replies[$0] }
  }

  /// Ends a page. The reported share of the work never falls.
  func pageDone(share: Double, entries: Int) throws {
    self.share = max(self.share, min(share, 1))
    options.control.progress(WorkProgress(done: entries, share: self.share))
    if options.control.shouldStop() { throw Stopped() }
  }

  // MARK: Examining

  /// Examines candidates for the first time.
  func examine(_ candidates: [Candidate]) throws {
    for (candidate, problems) in try zip(candidates, problems(of: candidates)) {
      try note(candidate, problems)
    }
  }

  /// Records the possible problems of a candidate.
  func note(_ candidate: Candidate, _ problems: [CacheProblem]) throws {
    guard !problems.isEmpty else { return }
    pending.append((candidate, problems))
    if pending.count >= Self.pendingLimit { try examinePending() }
  }

  /// Examines possible problems again.
  func examinePending() throws {
    guard !pending.isEmpty else { return }
    let pending = self.pending
    self.pending = []
    sleep(for: options.secondLook)
    if options.control.shouldStop() { throw Stopped() }
    for (first, second) in try zip(pending, problems(of: pending.map(\.candidate))) {
      for problem in second {
        let isConfirmed = first.problems.contains {
          $0.kind == problem.kind && $0.key == problem.key
        }
        if isConfirmed { try confirm(problem) }
      }
    }
  }

  /// - Returns: the problems of each candidate.
  private func problems(of candidates: [Candidate]) throws -> [[CacheProblem]] {
    var found: [Candidate: [CacheProblem]] = [:]
    var entries: [EntryCandidate] = []
    var others: [Candidate] = []
    for candidate in candidates {
      if case .entry(let entry) = candidate {
        entries.append(entry)
      } else {
        others.append(candidate)
      }
    }
    try read(EntryExaminer(store, standard, entries)) { found[.entry($0)] = $1 }
    for slice in others.slices(of: Batch.keys) {
      let asked = Array(zip(slice, try pointers(of: slice)))
      for ((candidate, _), problems) in zip(asked, try ask(about: asked, appendQuestion)) {
        found[candidate] = problems
      }
    }
    return candidates.map { found[$0] ?? [] }
  }

  /// Examines the entries that an examiner reads.
  /// - Parameter strays: receives the members of the index that are not ids.
  func read(
    _ examiner: EntryExaminer, strays: ([[UInt8]]) throws -> Void = { _ in },
    _ body: (EntryCandidate, [CacheProblem]) throws -> Void
  ) throws {
    try forEachReadAhead(examiner.next) { page in
      try strays(page.strays)
      for view in try store.resolvingPointers(page.views) {
        try body(view.candidate, standard.problems(of: view))
      }
    }
  }

  private func confirm(_ problem: CacheProblem) throws {
    guard options.namespace == nil || problem.namespace == options.namespace else { return }
    guard !reported.contains(Self.digest(problem, of: problem.namespace)) else { return }
    if reported.count < Self.reportedLimit {
      reported.insert(Self.digest(problem, of: problem.namespace))
      // A leftover whose namespace is known is reported only once.
      if problem.kind == .leftover { reported.insert(Self.digest(problem, of: nil)) }
    }
    summary.problems[problem.kind, default: 0] += 1
    try report(problem)
  }

  private static func digest(_ problem: CacheProblem, of namespace: Namespace?) -> Int {
    var hasher = Hasher()
    hasher.combine(problem.kind)
    hasher.combine(problem.key)
    // A missing namespace is reported once, not for each of its entries.
    if problem.kind != .unlistedNamespace { hasher.combine(problem.id) }
    hasher.combine(problem.member)
    hasher.combine(namespace)
    return hasher.finalize()
  }
}

extension RedisStore {
  /// Checks a cache as `fsck` checks a file system: compares every entry with every index that should list it.
  ///
  /// It writes nothing, and needs the right to read the prefix and to run `SCAN`. It works on a damaged cache, on a
  /// replica, and while other clients write, because each problem is found twice on a consistent view. Reads every
  /// field, including responses and vectors. Memory: a few megabytes, and up to 21 bytes for each problem, of a
  /// million at most. Round trips: one for each 16 entries (`Batch.examined`), two for each 64 `hash:` keys, and one
  /// for each 200 keys of the server and 200 members of an index.
  /// - Parameter report: called with each confirmed problem. An error that it throws ends the check.
  /// - Throws: `SchemaMigrationError` for a layout that this version does not know; `StoreBackendError` with
  ///   `accessDenied` where the user may not run `SCAN`.
  package func check(
    _ options: CheckOptions, report: (CacheProblem) throws -> Void
  ) throws -> CheckSummary {
    try checkOpen()
    return try withoutActuallyEscaping(report) { report in
      try CheckRun(self, options, report: report).run()
    }
  }

  /// Checks a cache with default options.
  /// - Returns: the problems.
  package func check() throws -> [CacheProblem] {
    var problems: [CacheProblem] = []
    _ = try check(CheckOptions()) { problems.append($0) }
    return problems
  }
}
