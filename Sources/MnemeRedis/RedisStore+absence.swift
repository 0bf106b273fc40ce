import Mneme

extension RedisStore {
  /// Returns the namespaces that do not exist: they have neither entries nor a quota, and no counter but that of
  /// misses. A miss alone does not create a namespace.
  ///
  /// One round trip, and one for the counters that the Python library keeps.
  package func missing(_ namespaces: [Namespace]) throws -> [Namespace] {
    guard !namespaces.isEmpty else { return [] }
    let candidates = try namespaces.slices(of: Batch.keys).flatMap { slice in
      try read(tolerating: true) { pipeline in
        let asked = slice.map { namespace in
          (
            namespace: namespace, count: pipeline.append("ZCARD", layout.lru(namespace)),
            quota: pipeline.append("HGET", layout.quotas, namespace.name),
            mirror: pipeline.append("GET", layout.quota(namespace)),
            counters: appendCounterQuestion(for: namespace, to: &pipeline)
          )
        }
        return Question { replies in
          asked.filter { question in
            replies[question.count].integer == 0 && replies[question.quota].isNull
              && replies[question.mirror].isNull && Self.isUncounted(replies[question.counters])
          }.map(\.namespace)
        }
      }
    }
    guard !candidates.isEmpty else { return [] }
    let python = try pythonCounters()
    return candidates.filter { namespace in
      Counter.allCases.allSatisfy { $0 == .misses || python[namespace]?[$0] ?? 0 == 0 }
    }
  }

  /// - Parameter reply: the counters in the order of `Counter.allCases`.
  private static func isUncounted(_ reply: Reply) -> Bool {
    reply.error == nil
      && zip(Counter.allCases, reply.elements).allSatisfy { $0 == .misses || $1.isNull }
  }

  /// Whether the keys under a prefix can be a cache on a cluster, where they must all live on one node.
  package static func canBeOnCluster(keyPrefix: String) -> Bool { KeyHashTag.ofKeys(under: keyPrefix) != nil }
}
