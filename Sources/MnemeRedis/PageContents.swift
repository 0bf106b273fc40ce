import Mneme

/// A member of `by_ttl` that is due.
struct DueMember: Equatable, Sendable {
  /// nil for a member that is neither an id nor `ns|id`.
  var id: EntryID?
  /// The namespace that a member of the Python library names.
  var namespace: Namespace?
}

/// The members on a page of `by_ttl`, and the state of their entries.
struct PageContents: Equatable {
  /// The state of an entry.
  enum Entry: Equatable, Sendable {
    case present(Namespace, EntryHead.Expiry)
    /// The entry lacks the fields that place it, or its key has another type.
    case unreadable
    case absent
  }

  var members: [DueMember]
  var entries: [EntryID: Entry]

  /// Decides what to do about each member. The entry's own fields override `by_ttl`.
  /// - Parameter namespace: limits the changes to a namespace; nil for all.
  func plan(at now: UnixTime, in namespace: Namespace?) -> PagePlan {
    var plan = PagePlan()
    /// The place of each entry in `stale`, or nil if it is expired.
    var decided: [EntryID: Int?] = [:]
    for member in members {
      guard let id = member.id, let entry = entries[id] else {
        plan.kept += 1
        continue
      }
      switch entry {
      case .present(let owner, let expiry) where expiry != .unreadable && isWanted(owner, namespace):
        let stray = member.namespace == owner ? nil : member.namespace
        if let place = decided[id] {
          if let place, let stray { plan.stale[place].strays.append(stray) }
        } else if expiry.hasPassed(at: now) {
          plan.expired.append(id)
          decided[id] = .some(nil)
        } else {
          decided[id] = plan.stale.count
          plan.stale.append(StaleExpiry(id: id, strays: stray.map { [$0] } ?? []))
        }
      case .absent where isWanted(member.namespace, namespace):
        plan.leftovers.append(Leftover(id: id, namespace: member.namespace))
      case .present, .unreadable, .absent:
        plan.kept += 1
      }
    }
    return plan
  }

  private func isWanted(_ owner: Namespace?, _ namespace: Namespace?) -> Bool {
    namespace == nil || owner == namespace
  }
}

/// The decision about a page of `by_ttl`.
struct PagePlan: Equatable {
  /// Entries to remove, each once.
  var expired: [EntryID] = []
  /// Entries whose expiry differs from `by_ttl`, each once.
  var stale: [StaleExpiry] = []
  /// Members without an entry.
  var leftovers: [Leftover] = []
  /// The number of members that stay as they are.
  var kept = 0
}

/// An entry that is due by `by_ttl` and not by its own fields.
struct StaleExpiry: Equatable, Sendable {
  var id: EntryID
  /// Namespaces that members name with this id and that are not the entry's.
  var strays: [Namespace] = []
}

extension EntryHead.Expiry {
  func hasPassed(at now: UnixTime) -> Bool {
    if case .at(let moment) = self { now >= moment } else { false }
  }
}
