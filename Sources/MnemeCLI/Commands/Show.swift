import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme show`
struct Show: Command {
  static let ids = Argument(
    repeating: "ID", atLeast: 1, value: .integer("ID", 1...Int.max), summary: "the ids of the entries")

  static let spec = CommandSpec(
    name: "show", summary: "show entries in full",
    description: """
      Shows each entry as it is in Redis: its query, response and metadata, when it was put and last used, its time \
      to live, its keys and index members, the problems that a check finds, and whether {command:get} would serve \
      it. It changes nothing.
      """,
    arguments: [ids],
    examples: [
      Example(command: "mneme show 4711", says: "everything about an entry"),
      Example(
        command: "mneme get --peek --json 'Where is my card?' | jq .id | xargs mneme show",
        says: "the entry behind an answer"),
    ],
    exitNotes: [ExitNote(1, "an id does not exist"), ExitNote(65, "an entry cannot be read")])

  let ids: [EntryID]

  init(_ invocation: Invocation) throws(UsageError) {
    ids = invocation[Self.ids].map { EntryID(Int64($0)) }
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let details = try store.details(of: ids)
    let report = ShowReport(
      entries: details.compactMap(\.self), missing: zip(ids, details).filter { $1 == nil }.map(\.0),
      fingerprint: try store.identity()?.fingerprint, now: try store.time(for: context.clock()))
    if report.entries.isEmpty, try context.noteAbsence(of: store) { return report }
    for id in report.missing { context.note("there is no entry \(id)") }
    return report
  }
}

struct ShowReport: Report {
  var entries: [EntryDetails]
  var missing: [EntryID]
  var fingerprint: String?
  var now: UnixTime

  var status: ExitStatus {
    !missing.isEmpty ? .no : entries.contains { $0.entry == nil } ? .badData : .done
  }

  /// One object for one entry, an array for several.
  var json: JSONOutput {
    let objects = entries.map { $0.json(fingerprint: fingerprint, at: now) }
    return objects.count == 1 && missing.isEmpty ? objects[0] : .array(objects)
  }

  func text(_ style: TerminalStyle) -> String? {
    entries.isEmpty ? nil : entries.map { $0.text(style, at: now) }.joined(separator: "\n\n")
  }
}

extension EntryDetails {
  /// The verdict whether `get` would serve the entry, and the reason if not.
  fileprivate enum Verdict: String {
    case served, expired, refused, shadowed, unreachable, damaged
  }

  fileprivate func verdict(at now: UnixTime) -> Verdict {
    guard let entry else { return .damaged }
    if entry.isExpired(at: now) { return .expired }
    if !entry.isServed(at: now) { return .refused }
    switch places?.pointer {
    case .this, nil: return .served
    case .missing: return .unreachable
    case .other: return .shadowed
    }
  }

  private func explanation(at now: UnixTime) -> String {
    switch verdict(at: now) {
    case .served where entry?.isServable == false:
      "would serve it only as an exact hit: its vector cannot be compared"
    case .served: "would serve it"
    case .expired: "would not serve it: it has expired"
    case .refused: "would not serve it: the response is empty, blank or an error message"
    case .shadowed: "would answer its query with another entry; this one is only found as a semantic hit"
    case .unreachable: "would only find it as a semantic hit: no hash key leads to it"
    case .damaged: "would not serve it: it cannot be read"
    }
  }

  fileprivate func json(fingerprint: String?, at now: UnixTime) -> JSONOutput {
    var members = entry?.members(fingerprint: fingerprint) ?? [("id", JSONOutput(id))]
    if let entry {
      members.append(("expires_at", JSONOutput(entry.expiresAt?.rawValue)))
      members.append(("servable", JSONOutput(entry.isServed(at: now))))
    }
    var pointedAt: EntryID?
    // An id is shown only with the key that holds it.
    switch places?.hashKey == nil ? nil : places?.pointer {
    case .this: pointedAt = id
    case .other(let other): pointedAt = other
    case .missing, nil: break
    }
    let keys: [(String, JSONOutput)] = [
      ("entry", JSONOutput(key)), ("hash", JSONOutput(places?.hashKey)),
      ("hash_id", JSONOutput(pointedAt?.rawValue)), ("by_id", number(places?.byID)),
      ("lru", number(places?.lru)), ("by_ttl", number(places?.byTTL)),
      ("native_expiry", places.map { JSONOutput($0.expiresNatively) } ?? .null),
    ]
    members.append(("keys", .object(keys)))
    members.append(("problems", .array(problems.map { $0.json() })))
    members.append(("verdict", JSONOutput(verdict(at: now).rawValue)))
    return .object(members)
  }

  private func number(_ text: String?) -> JSONOutput {
    text.map { text in Int64(text).map { .integer($0) } ?? .string(text) } ?? .null
  }

  fileprivate func text(_ style: TerminalStyle, at now: UnixTime) -> String {
    var lines: [(String, String)] = []
    if let entry { lines = content(of: entry, at: now) }
    if let damage { lines.append(("damage", visible(damage.message))) }
    lines.append(("entry key", visible(key)))
    if let places {
      if let hashKey = places.hashKey {
        lines.append(("hash key", visible(hashKey) + leadsTo(places.pointer)))
      }
      lines.append(("indexes", indexes(places)))
      if places.expiresNatively { lines.append(("expiry", "Redis itself expires the entry")) }
    } else {
      lines.append(("indexes", "not read: other clients change the entry too often"))
    }
    for problem in problems {
      lines.append(("problem", visible("\(problem.kind.rawValue): \(problem.detail)")))
    }
    lines.append(("get", explanation(at: now)))
    let margin = String(repeating: " ", count: 13)
    return style.bold("entry \(id)") + "\n"
      + lines.map { label, text in
        let padding = String(repeating: " ", count: max(1, 11 - label.count))
        let body = text.split(separator: "\n", omittingEmptySubsequences: false)
          .joined(separator: "\n" + margin)
        return "  " + label + padding + body
      }.joined(separator: "\n")
  }

  private func leadsTo(_ pointer: EntryDetails.Pointer) -> String {
    switch pointer {
    case .this: " leads to this entry"
    case .other(let id): " leads to entry \(id)"
    case .missing: " is missing, or leads to no entry of this query"
    }
  }

  private func indexes(_ places: EntryDetails.Places) -> String {
    list([
      places.byID == nil ? "not in by_id" : "in by_id",
      places.lru.map { "lru at \(visible($0))" } ?? "not in lru",
      places.byTTL.map { "by_ttl at \(visible($0))" },
    ])
  }

  private func content(of entry: StoredEntry, at now: UnixTime) -> [(String, String)] {
    func moment(_ time: UnixTime) -> String {
      let distance = (now - time).rawValue
      return "\(utc(time)), \(distance < 0 ? "in \(span(-distance))" : "\(span(distance)) ago")"
    }
    let vector =
      entry.embedding.dimension == 0
      ? "none"
      : counted(entry.embedding.dimension, "number") + (entry.embedding.flaw.map { ", \($0.text)" } ?? "")
    return [
      ("namespace", visible(entry.namespace.name)),
      ("query", visibleLines(entry.query)),
      ("response", visibleLines(entry.response)),
      ("metadata", visible(entry.metadata)),
      ("size", "response \(size(entry.responseByteCount))"),
      ("put", moment(entry.createdAt)),
      (
        "used",
        entry.accessCount == 0
          ? "never" : "\(counted(entry.accessCount, "time")), last \(moment(entry.lastAccessedAt))"
      ),
      ("expires", entry.expiresAt.map { moment($0) } ?? "never"),
      ("query hash", entry.queryHash), ("vector", vector),
    ]
  }

  /// Returns a text with its line breaks, and with other control characters made visible.
  private func visibleLines(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { visible(String($0)) }
      .joined(separator: "\n")
  }
}

extension Embedding.Flaw {
  /// The reason why a vector cannot be compared, worded to follow a comma.
  fileprivate var text: String {
    switch self {
    case .allZeros: "all zeros"
    case .notFinite: "with one that is not finite"
    case .length(let length): "of length \(decimals(length, 3)), not 1"
    }
  }
}
