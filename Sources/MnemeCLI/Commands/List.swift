import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme list`
struct List: Command {
  /// An order of entries.
  enum Order: String, CaseIterable, Sendable {
    case id, age, used, uses, expiry, size
  }

  static let sort = Option(
    "sort", value: .choice(Order.self, "WHAT"), default: .id, summary: "the order of the entries",
    details: """
      `id`: lowest first. `age`: oldest first. `used`: last used longest ago first. `uses`: most used first. `expiry`: \
      soonest to expire first, those that never do last. `size`: largest response first. With {option:like}, the most \
      similar come first.
      """)
  static let reverse = Switch("reverse", summary: "reverse the order")
  static let limit = Option(
    "limit", value: .count("N", 1...Int.max), summary: "show at most this many entries",
    details: "If not given, 50 on a terminal, and all elsewhere.")

  static let spec = CommandSpec(
    name: "list", summary: "show the entries of a selection",
    description: """
      Shows the entries that match all options given, each on a line: id, namespace, how long ago it was put and last used, \
      how often it was used, how long it still lives, its query, and the beginning of its response. It changes nothing and \
      does not count as a use.
      """,
    arguments: [SelectionRequest.moreIDs],
    options: [sort, reverse, limit, Options.pace] + SelectionRequest.options,
    rules: SelectionRequest.rules,
    examples: [
      Example(
        command: "mneme list -n faq --contains 'Model X'", says: "show the answers that mention a product"),
      Example(
        command: "mneme list --unused-for 30d --sort size --limit 20",
        says: "show the largest entries that were not used for a month"),
      Example(
        command: "mneme list --metadata source=handbook-2024 --json", says: "show what came from one document"
      ),
    ],
    exitNotes: [ExitNote(1, "no entry matches")])

  let selection: SelectionRequest
  let order: Order
  /// Whether an order was requested.
  let isSorted: Bool
  let reverse: Bool
  let limit: Int?
  let isJSON: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    selection = try SelectionRequest(invocation, moreIDs: invocation[SelectionRequest.moreIDs])
    order = invocation[Self.sort]
    reverse = invocation[Self.reverse]
    isSorted = invocation.isGiven(Self.sort) || reverse
    limit = invocation[Self.limit]
    isJSON = invocation[Options.json]
    pace = invocation[Options.pace]
  }

  private static let defaultLimit = 50

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let identity = try store.identity()
    let chosen = try selection.selection(store, context)
    let limit = limit ?? (context.output.style.outputIsTerminal && !isJSON ? Self.defaultLimit : .max)
    var run = try ListRun(
      store, chosen, context, fingerprint: identity?.fingerprint, isJSON: isJSON, pace: pace)
    if chosen.likeness != nil && !isSorted {
      try run.printSorted(limit: limit) { entry, similarity in -similarity }
    } else if isSorted {
      let sign = reverse ? -1.0 : 1
      try run.printSorted(limit: limit) { entry, _ in sign * key(of: entry) }
    } else {
      try run.printInOrder(limit: limit)
    }
    try run.finish()
    if run.printed == 0 {
      if try !context.noteAbsence(of: store, chosen.namespaces) { context.note("no entry matches") }
      return NoReport(status: .no)
    }
    if run.hasMore, limit == Self.defaultLimit, self.limit == nil {
      try context.output.flush()
      context.note("these are the first \(limit); --limit N shows more")
    }
    return NoReport()
  }

  /// Returns the number by which an entry is sorted, lowest first.
  private func key(of entry: StoredEntry) -> Double {
    switch order {
    case .id: Double(entry.id.rawValue)
    case .age: Double(entry.createdAt.rawValue)
    case .used: Double(entry.lastAccessedAt.rawValue)
    case .uses: -Double(entry.accessCount)
    case .expiry: entry.expiresAt.map { Double($0.rawValue) } ?? .infinity
    case .size: -Double(entry.responseByteCount)
    }
  }
}

/// A list under way.
private struct ListRun {
  private let store: RedisStore
  private let selection: Selection
  private let context: Context
  private let fingerprint: String?
  private let isJSON: Bool
  private let now: UnixTime
  private let work: LongWork
  private var table: Table.Printer
  private(set) var printed = 0
  /// Whether there are entries beyond the limit.
  private(set) var hasMore = false
  private var damaged = DamagedEntries()

  init(
    _ store: RedisStore, _ selection: Selection, _ context: Context, fingerprint: String?, isJSON: Bool,
    pace: Duration
  ) throws {
    (self.store, self.selection, self.context) = (store, selection, context)
    (self.fingerprint, self.isJSON) = (fingerprint, isJSON)
    now = try store.time(for: context.clock())
    work = try LongWork(context, unit: "entries", isAmongResults: true, pace: pace)
    table = Table.Printer(EntryRow.columns(similarity: selection.likeness != nil), on: context.output)
  }

  private struct Enough: Error {}

  /// The large fields that are printed.
  private var printedFields: Selection.Fields {
    isJSON ? [.query, .response, .metadata] : [.query, .response]
  }

  /// Prints entries in the order of their ids.
  mutating func printInOrder(limit: Int) throws {
    do {
      try walk(selection, reading: printedFields) { run, entry in
        guard run.printed < limit else {
          run.hasMore = true
          throw Enough()
        }
        try run.print(entry)
      }
    } catch is Enough {}
  }

  /// Prints entries with the lowest keys first. Keeps the keys and ids of at most `limit` entries, then reads these
  /// entries again. An entry that was removed since is left out.
  mutating func printSorted(limit: Int, by key: (StoredEntry, _ similarity: Double) -> Double) throws {
    var lowest = LowestKeys(limit: limit)
    try walk(selection, reading: .response) { run, entry in
      lowest.insert(key(entry, run.similarity(of: entry)), entry.id)
    }
    let ids = lowest.sorted
    hasMore = lowest.isFull
    for start in stride(from: 0, to: ids.count, by: 1000) {
      var page = selection
      page.ids = Set(ids[start..<min(start + 1000, ids.count)])
      var entries: [EntryID: StoredEntry] = [:]
      try walk(page, reading: printedFields) { _, entry in entries[entry.id] = entry }
      for id in ids[start..<min(start + 1000, ids.count)] {
        if let entry = entries[id] { try print(entry) }
      }
    }
  }

  private mutating func walk(
    _ selection: Selection, reading fields: Selection.Fields,
    _ body: (inout ListRun, StoredEntry) throws -> Void
  ) throws {
    var seen = 0
    try store.forEachEntry(in: selection, at: now, reading: fields) { _, error in
      damaged.add(error)
    } _: { entry in
      try work.check()
      try body(&self, entry)
      seen += 1
      work.tell(seen)
      if seen % 64 == 0 { work.pause() }
    }
  }

  private func similarity(of entry: StoredEntry) -> Double {
    selection.likeness.map { entry.embedding.dot($0.vector) } ?? 0
  }

  private mutating func print(_ entry: StoredEntry) throws {
    printed += 1
    let similarity = selection.likeness.map { min(1, entry.embedding.dot($0.vector)) }
    guard isJSON else { return try table.print(EntryRow.cells(of: entry, similarity: similarity, at: now)) }
    var members = entry.members(fingerprint: fingerprint)
    members.append(("expires_at", JSONOutput(entry.expiresAt?.rawValue)))
    members.append(("servable", JSONOutput(entry.isServed(at: now))))
    if let similarity { members.append(("similarity", JSONOutput(similarity))) }
    try context.output.print(JSONOutput.object(members))
  }

  /// Prints the remaining rows, and warns of skipped entries.
  mutating func finish() throws {
    try table.finish()
    damaged.warn(context)
  }
}

/// The lowest of many keys, with the ids of their entries. Memory: 16 bytes for each up to the limit.
struct LowestKeys {
  private let limit: Int
  private var kept: [(key: Double, id: EntryID)] = []
  private(set) var isFull = false

  init(limit: Int) { self.limit = limit }

  /// Equal keys are in the order of their ids.
  mutating func insert(_ key: Double, _ id: EntryID) {
    kept.append((key, id))
    // Keeps up to twice as many as needed, so that each key is sorted only a few times.
    if limit < .max / 2, kept.count >= 2 * limit + 1024 { trim() }
  }

  private mutating func trim() {
    kept.sort { ($0.key, $0.id) < ($1.key, $1.id) }
    guard kept.count > limit else { return }
    isFull = true
    kept.removeSubrange(limit...)
  }

  /// The ids in the order of their keys.
  var sorted: [EntryID] {
    mutating get {
      trim()
      return kept.map(\.id)
    }
  }
}
