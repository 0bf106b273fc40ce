import Mneme
import MnemeRedis

/// The number of entries that a command would change, and the first ones. The user sees them before it does so.
struct SelectionPreview {
  private(set) var first: [StoredEntry] = []
  private(set) var count = 0
  /// Entries of the selection that would stay as they are.
  private(set) var unchanged = 0
  private let now: UnixTime

  static let shown = 20

  /// Counts the entries and reads the first ones.
  /// - Parameter isChanged: whether the command would change an entry of the selection.
  init(
    _ selection: Selection, _ store: RedisStore, _ context: Context,
    isChanged: (StoredEntry, UnixTime) -> Bool = { _, _ in true }
  ) throws {
    now = try store.time(for: context.clock())
    let work = try LongWork(context, unit: "entries")
    var ids: Set<EntryID> = []
    var damaged = DamagedEntries()
    try store.forEachEntry(in: selection, at: now, reading: []) { _, error in
      damaged.add(error)
    } _: { entry in
      try work.check()
      if isChanged(entry, now) {
        if ids.count < Self.shown { ids.insert(entry.id) }
        count += 1
      } else {
        unchanged += 1
      }
      work.tell(count + unchanged)
    }
    damaged.warn(context)
    guard !ids.isEmpty else { return }
    var beginning = selection
    beginning.ids = ids
    try store.forEachEntry(in: beginning, at: now, reading: [.query, .response], whenCorrupt: { _, _ in }) {
      first.append($0)
    }
  }

  /// Returns the table, and the number of entries that are not in it.
  func text(_ style: TerminalStyle) -> String {
    var table = Table(EntryRow.columns())
    table.rows = first.map { EntryRow.cells(of: $0, at: now) }
    let more = count - first.count
    return table.text(style) + (more > 0 ? "\nand \(grouped(more)) more" : "")
  }

  /// Shows the table and asks.
  /// - Parameter deed: the action to confirm, as in `Delete 3 entries under …`.
  /// - Returns: whether the answer is yes.
  func confirm(_ deed: String, _ context: Context) throws -> Bool {
    var style = context.output.style
    if style.errorIsTerminal { style.tableWidth = style.width }
    context.output.note(text(style))
    return try MnemeCLI.confirm(
      "\(deed) \(entryCount(count)) under the prefix '\(visible(context.settings.keyPrefix))' at "
        + "\(visible(try context.serverAddress()))? [y/N] ")
  }
}
