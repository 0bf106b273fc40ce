import Mneme

/// An entry as a row of a table.
struct EntryRow {
  /// - Parameter similarity: whether there is one to show.
  static func columns(similarity: Bool = false) -> [Table.Column] {
    (similarity ? [.init(title: "SIMILARITY", isNumeric: true)] : [])
      + [
        .init(title: "ID", isNumeric: true), .init(title: "NAMESPACE"), .init(title: "AGE", isNumeric: true),
        .init(title: "USED", isNumeric: true), .init(title: "USES", isNumeric: true),
        .init(title: "TTL", isNumeric: true), .init(title: "QUERY", isFlexible: true),
        .init(title: "RESPONSE", isFlexible: true),
      ]
  }

  /// The columns that a query or response has where nothing else limits it.
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
  private static func beginning(of text: String) -> String {
    var line = ""
    var isGap = false
    // No more of the text is looked at than can be shown.
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
  /// The members that every JSON form of an entry has; those of a line of an export, without the vector.
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

  /// Whether someone can be served from it at a moment, by all but its vector.
  func isServed(at now: UnixTime) -> Bool { !isExpired(at: now) && raw == nil && defaultValidator(response) }
}
