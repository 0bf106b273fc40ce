import Mneme
import MnemeRedis

/// The deletion of the entries that a selection matches. The user sees them first.
struct SelectedDeletion {
  /// Whether to show the entries and ask first. A dry run never asks.
  let asks: Bool
  let dryRun: Bool
  let pace: Duration

  func run(_ chosen: Selection, _ store: RedisStore, _ context: Context) throws -> SelectedDeletionReport {
    var report = SelectedDeletionReport(dryRun: dryRun)
    if dryRun || asks {
      let preview = try SelectionPreview(chosen, store, context)
      (report.preview, report.deleted) = (preview, preview.count)
      if !dryRun, preview.count > 0, try !preview.confirm("Delete", context) {
        return SelectedDeletionReport(dryRun: false, isDeclined: true)
      }
    }
    if !dryRun {
      let work = try LongWork(
        context, unit: "entries", total: report.preview?.count, pace: pace, guarding: [store],
        change: { "deleted \(entryCount($0))" })
      var damaged = DamagedEntries()
      report.deleted = try store.remove(chosen, at: store.time(for: context.clock()), work.control()) {
        _, error in
        damaged.add(error)
      }
      // The preview, if there was one, has already warned of them.
      if report.preview == nil { damaged.warn(context) }
      report.preview = nil
      try work.finish()
      report.interruption = work.interruption
    }
    if report.deleted == 0 { try context.noteAbsence(of: store, chosen.namespaces) }
    return report
  }
}

/// The outcome for a selection.
struct SelectedDeletionReport: Report {
  var deleted = 0
  var dryRun: Bool
  /// Entries that match, in a dry run.
  var preview: SelectionPreview?
  var isDeclined = false
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  var status: ExitStatus { interruption ?? (deleted == 0 ? .no : .done) }

  var json: JSONOutput { ["deleted": JSONOutput(deleted), "dry_run": JSONOutput(dryRun)] }

  func text(_ style: TerminalStyle) -> String? {
    if isDeclined { return "nothing deleted" }
    let end = interruption == nil ? "" : "; interrupted"
    if deleted == 0 { return "no entry matches" + end }
    let table = dryRun ? preview.map { $0.text(style) + "\n" } ?? "" : ""
    return table + "\(dryRun ? "would delete" : "deleted") \(entryCount(deleted))" + end
  }

  var isConfirmation: Bool { !dryRun && interruption == nil && deleted > 0 }
}
