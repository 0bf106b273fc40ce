/// The state of a store at one moment, from which an index finds later changes.
package struct StoreMark: Sendable, Equatable {
  /// The name of one lifetime of a store. It changes with another server, a restart of the server, and a cache that was
  /// emptied and filled again. Within one lineage the version counter only grows. It is nil if the store cannot give
  /// one. The index can then be updated while the process runs, but not be kept in a file.
  package var lineage: String?
  /// The version counter.
  package var version: Int64
  /// The number of entries in the whole store.
  package var entries: Int64
  /// The highest id of an entry in the whole store; 0 for none.
  package var highestID: EntryID
  /// The time of this state, by the store's own clock.
  package var time: UnixTime
  /// The earliest access time of an entry that was written and is not in the index yet. It is `clockMargin` before
  /// `time`, and up to `longestTrust` earlier while changes are found by counts and correct clocks.
  package var accessedSince: UnixTime
  /// The growth of the version, since the base was made, for which no change was found. It comes from changes in
  /// other namespaces, and from entries that were removed before the index saw them. It may also come from an import
  /// that replaced entries and kept their old dates, which nothing else shows.
  package var unexplained: Int64 = 0
  /// The number of entries of the namespace.
  package var members: Int64 = 0
  /// The part of `unexplained` since the ids of the namespace were last compared with those of the index, and the time
  /// of that. An import may store entries under ids below `highestID`, because ids are allocated before they are used,
  /// and with old dates. Only their ids show them.
  package var uncompared: Int64 = 0
  package var comparedAt: UnixTime
  /// Some entries of the namespace as they were. Counters alone do not prove that a store holds what it held: keys that
  /// were put back with `RESTORE`, or an older dump, can bring the same ones with other entries.
  package var samples: [EntrySample] = []

  /// The largest difference between the clocks of writers: a minute to either side of the server's, as for expiry.
  package static let clockMargin = Seconds(120)
  /// The time for which changes are found by counts and correct clocks alone.
  package static let longestTrust = Seconds(60)
  /// The most samples that are kept.
  package static let sampleLimit = 32

  /// - Parameter lineage: the parts of the lineage.
  package init(
    lineage: [String]?, version: Int64, entries: Int64, highestID: EntryID, time: UnixTime
  ) {
    self.lineage = lineage.map { unambiguousHash(of: $0) }
    self.version = version
    self.entries = entries
    self.highestID = highestID
    self.time = time
    accessedSince = time + Seconds(-Self.clockMargin.rawValue)
    comparedAt = time
  }

  /// Whether a later state can be that of the same store.
  package func canPrecede(_ now: StoreMark) -> Bool { lineage == now.lineage && version <= now.version }

  /// Whether the sampled entries are those of the mark. Removed entries are ignored, but some must still exist.
  /// - Parameters:
  ///   - now: the entries with the ids of `samples`, in that order; nil for each that is gone.
  ///   - hasGrown: the version has grown since the mark. If not, no entry was written again.
  package func isProven(by now: [EntrySample?], hasGrown: Bool) -> Bool {
    guard now.count == samples.count else { return false }
    let remaining = zip(samples, now).compactMap { old, new in new.map { (old, $0) } }
    return (!remaining.isEmpty || samples.isEmpty)
      && remaining.allSatisfy { $0 == $1 || hasGrown && $0.canBecome($1) }
  }
}

/// The changes in a namespace since a mark.
package struct NamespaceChanges: Sendable {
  /// The entries that were written since, and perhaps some that were written shortly before; if known, in the order of
  /// writing. They may be gone again.
  package var written: [EntryID]
  /// Whether entries may have been written that are not in `written`. Only a comparison of all ids shows them.
  package var mayLackEntries = false
  /// The number of entries that were read to find them.
  package var examined: Int
  /// The store as it was before the changes were read. The samples are those of the previous mark that still exist,
  /// as they are now.
  package var mark: StoreMark

  package init(written: [EntryID], examined: Int, mark: StoreMark) {
    self.written = written
    self.examined = examined
    self.mark = mark
  }
}

/// A fingerprint that distinguishes an entry from another one with the same id.
package struct EntrySample: Sendable, Equatable {
  package var id: EntryID
  package var createdAt: Int64
  /// A checksum of the query hash.
  package var query: UInt64

  package init(id: EntryID, createdAt: Int64, queryHash: [UInt8]) {
    self.init(id: id, createdAt: createdAt, query: Checksum.of(queryHash))
  }

  init(id: EntryID, createdAt: Int64, query: UInt64) {
    (self.id, self.createdAt, self.query) = (id, createdAt, query)
  }

  /// Whether a sample can be a later state of this one: the same query, put at the same time or later.
  func canBecome(_ now: EntrySample) -> Bool {
    id == now.id && query == now.query && createdAt <= now.createdAt
  }
}

extension StoreMark {
  private static let noLineage = String(repeating: "-", count: 64)

  /// 64 bytes of lineage, then Int64: version, entries, highest id, time, access time, unexplained growth, entries of
  /// the namespace, growth and time of the last comparison of ids, samples; each sample three more.
  func write(to bytes: inout ByteWriter) {
    bytes.append(Array((lineage ?? Self.noLineage).utf8))
    let numbers = [
      version, entries, highestID.rawValue, time.rawValue, accessedSince.rawValue, unexplained, members,
      uncompared, comparedAt.rawValue,
    ]
    for number in numbers { bytes.append(number) }
    bytes.append(Int64(samples.count))
    for sample in samples {
      bytes.append(sample.id.rawValue)
      bytes.append(sample.createdAt)
      bytes.append(sample.query)
    }
  }

  init(from bytes: inout ByteReader) throws {
    let lineage = String(decoding: try bytes.take(64), as: UTF8.self)
    self.lineage = lineage == Self.noLineage ? nil : lineage
    version = try bytes.number()
    entries = Int64(try bytes.count(upTo: 1 << 50))
    highestID = EntryID(try bytes.number())
    time = UnixTime(try bytes.number())
    accessedSince = UnixTime(try bytes.number())
    unexplained = min(max(try bytes.number(), 0), 1 << 50)
    members = Int64(try bytes.count(upTo: 1 << 50))
    uncompared = min(max(try bytes.number(), 0), 1 << 50)
    comparedAt = UnixTime(try bytes.number())
    for _ in 0..<(try bytes.count(upTo: Int64(Self.sampleLimit))) {
      samples.append(
        EntrySample(
          id: EntryID(try bytes.number()), createdAt: try bytes.number(), query: try bytes.number()))
    }
  }
}

/// Returns the SHA-256 of several texts in hexadecimal. The lengths are included, so that different lists give
/// different hashes.
package func unambiguousHash(of parts: [String]) -> String {
  QueryNormalizer.hash(parts.map { "\($0.utf8.count):\($0)" }.joined())
}
