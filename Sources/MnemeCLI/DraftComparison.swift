import Mneme
import MnemeRedis

extension EntryLine.Draft {
  /// A difference between a line and the entry that its query has.
  enum Difference {
    /// Only the time and the number of uses.
    case uses
    case content
  }

  /// Compares the line with an entry. Fields that the line does not have are not compared.
  /// - Returns: nil if an import would change nothing.
  func difference(from entry: StoredEntry) -> Difference? {
    guard query.utf8.elementsEqual(entry.query.utf8), response.utf8.elementsEqual(entry.response.utf8),
      metadata.utf8.elementsEqual(entry.metadata.utf8), raw == entry.raw, ttl == entry.ttl,
      createdAt.map({ $0 == entry.createdAt }) ?? true, embedding.map({ $0 == entry.embedding }) ?? true
    else { return .content }
    let hasSameUses =
      accessCount == entry.accessCount && lastAccessedAt.map { $0 == entry.lastAccessedAt } ?? true
    return hasSameUses ? nil : .uses
  }

  /// Whether it was exported so long ago that it has expired.
  func isExpired(at now: UnixTime) -> Bool {
    ttl.map { (createdAt ?? now) + $0 <= now } ?? false
  }
}

extension ImportRun {
  /// Compares lines with the stored entries, and stores nothing.
  mutating func compare(_ lines: ArraySlice<(draft: EntryLine.Draft, line: Int)>, at now: UnixTime)
    throws
  {
    let wanted = lines.filter { !$0.draft.isExpired(at: now) }
    report.expired += lines.count - wanted.count
    report.skipped += lines.count - wanted.count
    let stored = try store.entries(
      ofQueries: wanted.map { ($0.draft.namespace ?? .default, $0.draft.queryHash ?? "") })
    for ((draft, line), there) in zip(wanted, stored) {
      let namespace = draft.namespace ?? .default
      func note(isNew: Bool) {
        report.note(.init(line: line, namespace: namespace, query: draft.query, isNew: isNew))
      }
      // An import replaces the entry of an earlier line with the same query.
      var digest = Hasher()
      digest.combine(namespace)
      digest.combine(draft.queryHash)
      let isAgain = !compared.insert(digest.finalize()).inserted
      guard there != nil || isAgain else {
        report.added += 1
        note(isNew: true)
        continue
      }
      guard options.onConflict != .fail else { throw conflictError(on: line, with: there?.id) }
      let entry = isAgain ? nil : there?.entry
      switch entry.map(draft.difference) ?? .content {
      case .none: report.same += 1
      case .some where options.onConflict == .skip: report.skipped += 1
      case .uses:
        report.replaced += 1
        report.differInUses += 1
      case .content:
        report.replaced += 1
        note(isNew: false)
      }
    }
  }
}
