import Mneme

// What callers use that still find answers by their position. To go with them.
extension RedisStore {
  func appendTypeChecks(of namespaces: some Sequence<Namespace>, to pipeline: inout Pipeline) {
    pipeline.append("ZCARD", layout.byID)
    pipeline.append("ZCARD", layout.byTTL)
    pipeline.append("SCARD", layout.namespaces)
    for namespace in namespaces {
      pipeline.append("ZCARD", layout.lru(namespace))
      appendCounterQuestion(for: namespace, to: &pipeline)
      appendQuotaQuestion(for: namespace, to: &pipeline)
    }
    pipeline.append("GET", layout.version)
  }

  func checkNumbers(
    _ seen: some RandomAccessCollection<Reply>, of namespaces: some Collection<Namespace>
  ) throws {
    let answers = Array(seen.suffix(1 + 4 * namespaces.count))
    try checkGrowth(of: layout.version, from: integer(answers[answers.count - 1], in: layout.version) ?? 0)
    for (offset, namespace) in namespaces.enumerated() {
      try checkCounters(answers[4 * offset + 1], of: namespace)
    }
  }

  func watchHeads(of ids: [EntryID], _ transaction: borrowing Transaction) throws -> [EntryHead] {
    try transaction.read { appendHeadLook(at: ids, passingOverDamage: false, to: &$0) }.compactMap(\.self)
  }
}
