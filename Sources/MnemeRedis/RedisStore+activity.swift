import Mneme

/// The use of a cache, in numbers that Redis counts itself. So they cost as little for many entries as for few.
package struct Activity: Sendable {
  /// The entries of each namespace that were put or served since a moment.
  package var used: [Namespace: Int] = [:]
  /// The entries of the whole cache that expire after one moment and up to another.
  package var expiring = 0
}

extension RedisStore {
  /// Counts the entries that were used since `since` and those that will expire until `until`. A put is a use.
  /// Leftovers are counted as entries.
  ///
  /// One round trip for each 64 namespaces. `by_ttl` is one index for all namespaces, so the expiring entries are
  /// counted for the whole cache.
  package func activity(
    of namespaces: [Namespace], since: UnixTime, now: UnixTime, until: UnixTime
  ) throws -> Activity {
    var activity = Activity()
    let slices = namespaces.isEmpty ? [[][...]] : namespaces.slices(of: Batch.keys)
    for slice in slices {
      activity.expiring = try read { pipeline in
        let used = slice.map {
          ($0, pipeline.append("ZCOUNT", layout.lru($0), "(\(since.rawValue)", "+inf"))
        }
        let expiring = pipeline.append(
          "ZCOUNT", layout.byTTL, "(\(now.rawValue)", until.rawValue)
        return Question { replies in
          for (namespace, count) in used { activity.used[namespace] = replies[count].size ?? 0 }
          return replies[expiring].size ?? 0
        }
      }
    }
    return activity
  }

  /// The entries of each namespace that were put or served from one moment on and before another. One round trip for
  /// each 64 namespaces.
  package func uses(
    in namespaces: [Namespace], from start: UnixTime, before end: UnixTime
  ) throws -> [Namespace: Int] {
    var uses: [Namespace: Int] = [:]
    for slice in namespaces.slices(of: Batch.keys) {
      try read { pipeline in
        let counts = slice.map {
          ($0, pipeline.append("ZCOUNT", layout.lru($0), start.rawValue, "(\(end.rawValue)"))
        }
        return Question { replies in
          for (namespace, count) in counts { uses[namespace] = replies[count].size ?? 0 }
        }
      }
    }
    return uses
  }

  /// The namespaces that damaged entries name; nil for one that names none. One round trip for each 64.
  package func statedNamespaces(of ids: [EntryID]) throws -> [Namespace?] {
    try ids.slices(of: Batch.keys).flatMap { slice in
      try read(tolerating: true) { pipeline in
        let names = slice.map { pipeline.append("HGET", layout.entry($0), EntryField.namespace) }
        return Question { replies in
          names.map { replies[$0].error == nil ? replies[$0].string.map { Namespace(unchecked: $0) } : nil }
        }
      }
    }
  }
}
