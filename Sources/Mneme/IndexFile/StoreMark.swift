/// What a store was like at a moment, for who keeps a copy of part of it and wants to know later whether the copy
/// still holds.
public struct StoreMark: Sendable, Equatable {
  /// Names one life of one store: another server, the same one started anew, and a cache that was emptied and filled
  /// again all have another. Within one the version counter only grows.
  public var lineage: String
  /// The version counter.
  public var version: Int64
  /// How many entries the whole store had.
  public var entries: Int64
  /// The highest id of an entry; 0 for none.
  public var highestID: EntryID

  /// - Parameter lineage: what names the life of the store, in as many parts as it takes.
  public init(lineage: [String], version: Int64, entries: Int64, highestID: EntryID) {
    self.init(
      lineage: unambiguousHash(of: lineage), version: version, entries: entries, highestID: highestID)
  }

  /// A mark as it was written down.
  init(lineage: String, version: Int64, entries: Int64, highestID: EntryID) {
    self.lineage = lineage
    self.version = version
    self.entries = entries
    self.highestID = highestID
  }

  /// Whether the parts are those of the mark's lineage.
  public func isOfLineage(_ parts: [String]) -> Bool { unambiguousHash(of: parts) == lineage }

  /// Whether all that happened to a store since this mark is that entries came whose ids are above `highestID`, each
  /// written once. Every other entry is then as it was, or gone.
  ///
  /// Who writes an entry moves the version by one at least. Of the `growth` of the version, each of the `added` ids
  /// above the highest took one. So does each id that came up below it, which happens when two writers overtake each
  /// other; and each entry that was replaced, which shows nowhere else. Where growth and added ids are equal there was
  /// none of these. Removals need no proof, since who finds a row in the copy asks the store for the entry; but they
  /// may move the version or (what Redis expired by itself, swept by Python) not, and one that does not must not be
  /// taken for one that does: where ids below the highest are fewer, nothing is proven.
  /// - Parameters:
  ///   - version: the store's now, of the same lineage.
  ///   - added: how many ids are above `highestID` now.
  ///   - remaining: how many are not.
  public func allowsOnlyAdditions(version: Int64, added: Int64, remaining: Int64) -> Bool {
    let (growth, overflow) = version.subtractingReportingOverflow(self.version)
    return !overflow && growth == added && remaining == entries
  }
}

/// SHA-256 of several texts, in hexadecimal: with their lengths, so that no two lists run together to the same.
func unambiguousHash(of parts: [String]) -> String {
  QueryNormalizer.hash(parts.map { "\($0.utf8.count):\($0)" }.joined())
}
