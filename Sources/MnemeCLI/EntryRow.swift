import Mneme

/// An entry as a row of a table.
struct EntryRow {
  /// - Parameter similarity: whether to add a column for the similarity.
  static func columns(similarity: Bool = false) -> [Table.Column] {
    (similarity ? [.init(title: "SIMILARITY", isNumeric: true)] : [])
      + [
        .init(title: "ID", isNumeric: true), .init(title: "NAMESPACE"), .init(title: "AGE", isNumeric: true),
        .init(title: "USED", isNumeric: true), .init(title: "USES", isNumeric: true),
        .init(title: "TTL", isNumeric: true), .init(title: "QUERY", isFlexible: true),
        .init(title: "RESPONSE", isFlexible: true, yieldsFirst: true),
      ]
  }

  /// The most columns of a query or response.
  private static let longestText = 100

  static func cells(of entry: StoredEntry, similarity: Double? = nil, at now: UnixTime) -> [String] {
    func since(_ time: UnixTime) -> String { shortSpan(max(0, (now - time).rawValue)) }
    return (similarity.map { [decimals($0, 3)] } ?? [])
      + [
        "\(entry.id)", fitted(visible(entry.namespace.name), to: 24, keepsEnd: true), since(entry.createdAt),
        entry.accessCount > 0 ? since(entry.lastAccessedAt) : "-", abbreviated(entry.accessCount),
        entry.expiresAt.map { $0 <= now ? "over" : shortSpan(($0 - now).rawValue) } ?? "-",
        beginning(of: entry.query), beginning(of: entry.response),
      ]
  }

  /// The beginning of a text on one line, with control characters made visible.
  static func beginning(of text: String) -> String {
    var line = ""
    var isGap = false
    // Reads only as much of the text as can be shown.
    for character in text.prefix(4 * longestText) {
      if character.isWhitespace {
        isGap = !line.isEmpty
      } else {
        line += (isGap ? " " : "") + visible(String(character))
        isGap = false
      }
    }
    return fitted(line, to: longestText)
  }
}

extension StoredEntry {
  /// Returns the members that every JSON form of an entry has: those of an exported line, without the vector.
  func members(fingerprint: String?) -> [(String, JSONOutput)] {
    let members: [(EntryLine.Member, JSONOutput)] = [
      (.id, JSONOutput(id)), (.namespace, JSONOutput(namespace)), (.query, JSONOutput(query)),
      (.queryHash, JSONOutput(queryHash)), (.response, JSONOutput(response)),
      (.metadata, JSONOutput.metadata(metadata)), (.createdAt, .integer(createdAt.rawValue)),
      (.lastAccessedAt, .integer(lastAccessedAt.rawValue)), (.ttl, JSONOutput(ttl)),
      (.accessCount, .integer(accessCount)), (.fingerprint, JSONOutput(fingerprint)),
    ]
    return members.map { ($0.rawValue, $1) }
  }

  /// Whether the entry can be served at a moment. The vector is not checked.
  func isServed(at now: UnixTime) -> Bool { !isExpired(at: now) && defaultValidator(response) }
}
