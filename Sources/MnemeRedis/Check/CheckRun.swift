import Glibc
import Mneme

/// A check under way.
///
/// 1. Walks through the entries and indexes a page at a time, and keeps of each entry what tells whether the others
///    agree with it (`EntryTable`). What does not agree is a suspect and no more: it may have been written in between.
/// 2. Judges suspects, some at a time, each on a view of all that belongs to it that stands still while it is read.
/// 3. After a pause judges those again that were found guilty. What is wrong both times in the same way is a problem.
///
/// So the walks may be as coarse as is cheap, and nothing rests on what they saw. It sends commands that read and no
/// `WATCH` or `MULTI`, which a user that may only read is not allowed.
final class CheckRun {
  /// What does not seem to agree.
  enum Suspect: Hashable {
    case entry(EntrySuspect)
    case hashKey([UInt8])
    /// A member of an index or set that is no id or namespace.
    case member(Key, [UInt8])
    case namespace(Namespace)
    case quota(Namespace)
    case counters(Namespace)
    case wholeCache
  }

  struct EntrySuspect: Hashable {
    var id: EntryID
    /// Whose index lists it.
    var claimant: Namespace?
  }

  let store: RedisStore
  let options: CheckOptions
  let report: (CacheProblem) throws -> Void
  var summary = CheckSummary()

  var table = EntryTable()
  /// The length of every vector in bytes; nil where `meta` does not say it.
  var embeddingBytes: Int?
  var highestID: Int64 = 0
  /// The entries that `by_id` announces.
  var expectedEntries = 0
  /// Whether the server tells when Redis will expire a key (from version 7 on).
  var tellsExpiry = false

  /// Whether `by_id` or `by_ttl` lists ids that were no entries then. They are walked through once more after the `lru`
  /// sets, which tell whose they were: to keep them would take memory for each.
  var hasUnplaced = false
  private var share = 0.0
  private var docket: [Suspect] = []
  /// Suspects that are judged in one go. More where most of them turn out guilty: every docket waits for its second look.
  private var docketSize = docketSizes.lowerBound
  private static let docketSizes = 128...4096
  /// Digests of what was reported: a walk may meet a thing twice.
  private var reported: Set<Int> = []

  init(_ store: RedisStore, _ options: CheckOptions, report: @escaping (CacheProblem) throws -> Void) {
    self.store = store
    self.options = options
    self.report = report
  }

  var layout: KeyLayout { store.layout }

  /// The check was told to stop.
  private struct Stopped: Error {}

  func run() throws -> CheckSummary {
    do {
      try lookAtMeta()
      try walkEntries()
      try walkByID()
      try walkByTTL()
      try walkKeys()
      try judgeDocket()
      if hasUnplaced { try walkUnplaced() }
      try judgeDocket()
      try walkTable()
      try walkNamespaces()
      try walkQuotas()
      suspectWholeCache()
      try judgeDocket()
    } catch is Stopped {
      summary.complete = false
    }
    return summary
  }

  /// Only what keeps transactions from being carried out: a version and counters that cannot grow.
  func runOnNumbers() throws {
    try walkNamedCounters()
    suspectWholeCache()
    try judgeDocket()
  }

  // MARK: Asking

  func ask(_ pipeline: Pipeline) throws -> Replies { try store.client.read(pipeline, tolerating: true) }

  func ask(_ build: (inout Pipeline) throws -> Void) throws -> Replies { try ask(store.pipeline(build)) }

  /// A page is done. Of what share of the work that is a sign, never takes back what was said before.
  func pageDone(share: Double) throws {
    if options.control.shouldStop() { throw Stopped() }
    self.share = max(self.share, min(share, 1))
    options.control.progress(WorkProgress(done: table.count, share: self.share))
  }

  // MARK: Judging

  func suspect(_ suspect: Suspect) throws {
    docket.append(suspect)
    if docket.count >= docketSize { try judgeDocket() }
  }

  func suspect(_ id: EntryID, claimant: Namespace? = nil) throws {
    try suspect(.entry(EntrySuspect(id: id, claimant: claimant)))
  }

  private func suspectWholeCache() { docket.append(.wholeCache) }

  func judgeDocket() throws {
    let suspects = Array(Set(docket))
    docket = []
    let guilty = try zip(suspects, judge(suspects)).filter { !$1.isEmpty }
    let sizes = Self.docketSizes
    docketSize = guilty.count * 2 > suspects.count ? min(docketSize * 2, sizes.upperBound) : sizes.lowerBound
    guard !guilty.isEmpty else { return }
    if options.control.shouldStop() { throw Stopped() }
    pause(options.secondLook)
    for (first, second) in zip(guilty.map(\.1), try judge(guilty.map(\.0))) {
      for problem in second where first.contains(where: { $0.kind == problem.kind && $0.key == problem.key })
      {
        try tell(problem)
      }
    }
  }

  private func judge(_ suspects: [Suspect]) throws -> [[CacheProblem]] {
    var verdicts = [[CacheProblem]](repeating: [], count: suspects.count)
    var entries: [(place: Int, subject: EntrySuspect)] = []
    var hashKeys: [(place: Int, subject: [UInt8])] = []
    var namespaces: [(place: Int, subject: Namespace)] = []
    for (place, suspect) in suspects.enumerated() {
      switch suspect {
      case .entry(let suspect): entries.append((place, suspect))
      case .hashKey(let key): hashKeys.append((place, key))
      case .member(let key, let member): verdicts[place] = try judge(member: member, of: key)
      case .namespace(let namespace): namespaces.append((place, namespace))
      case .quota(let namespace): verdicts[place] = try judge(quotaOf: namespace)
      case .counters(let namespace): verdicts[place] = try judge(countersOf: namespace)
      case .wholeCache: verdicts[place] = try judgeWholeCache()
      }
    }
    try judge(entries, into: &verdicts) { try judge(entries: $0) }
    try judge(hashKeys, into: &verdicts) { try judge(hashKeys: $0) }
    try judge(namespaces, into: &verdicts) { try judge(namespaces: $0) }
    return verdicts
  }

  /// A page at a time, however long the docket is: other clients wait for their turn.
  private func judge<Subject>(
    _ suspects: [(place: Int, subject: Subject)], into verdicts: inout [[CacheProblem]],
    by judge: ([Subject]) throws -> [[CacheProblem]]
  ) rethrows {
    try store.inSlices(suspects, of: Batch.page) { page in
      for (suspect, verdict) in zip(page, try judge(page.map(\.subject))) {
        verdicts[suspect.place] = verdict
      }
    }
  }

  private func tell(_ problem: CacheProblem) throws {
    guard options.namespace == nil || problem.namespace == options.namespace else { return }
    guard reported.insert(Self.digest(problem, of: problem.namespace)).inserted else { return }
    // Once it is known whose index lists a leftover, there is no more to say of it.
    if problem.kind == .leftover { reported.insert(Self.digest(problem, of: nil)) }
    summary.problems[problem.kind, default: 0] += 1
    try report(problem)
  }

  private static func digest(_ problem: CacheProblem, of namespace: Namespace?) -> Int {
    var hasher = Hasher()
    hasher.combine(problem.kind)
    hasher.combine(problem.key)
    // A namespace is missing from the list once, however many entries it has.
    if problem.kind != .unlistedNamespace { hasher.combine(problem.id) }
    hasher.combine(problem.member)
    hasher.combine(namespace)
    return hasher.finalize()
  }

  /// A signal ends it early, and `shouldStop` tells of that.
  private func pause(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var span = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    nanosleep(&span, nil)
  }
}

extension RedisStore {
  /// A file-system check for a cache: holds every entry and every index against the others.
  ///
  /// Writes nothing, and needs the rights to read the prefix. Works on a cache that is damaged in any
  /// way, on a replica, and while others write: what is reported was seen wrong twice, each time on a view that stood
  /// still. Reads vectors, but no answers. Memory: 40 bytes an entry, and up to 21 for each problem. Round trips: two for
  /// each 64 entries, one for each 64 `hash:` keys and 200 members of an index; fewer of each where others use the server
  /// (`Batch`). Where the server withholds `SCAN` it does what the indexes allow, and the summary says so.
  /// - Parameter report: told of each problem as it is confirmed; what it throws ends the check.
  /// - Throws: `SchemaMigrationError` for a layout that this version does not know.
  public func check(
    _ options: CheckOptions, report: (CacheProblem) throws -> Void
  ) throws -> CheckSummary {
    try checkOpen()
    return try withoutActuallyEscaping(report) { report in
      try CheckRun(self, options, report: report).run()
    }
  }

  /// The same, with the problems at the end.
  public func check() throws -> [CacheProblem] {
    var problems: [CacheProblem] = []
    _ = try check(CheckOptions()) { problems.append($0) }
    return problems
  }
}
