import Mneme

extension VacuumRun {
  /// Removes page after page with two round trips each, as long as there is nothing in them but sound entries that have
  /// expired: what points at the entries of one page, with the question for the ids of the next; then the transaction,
  /// and behind it what those ids are.
  /// - Returns: whether any was removed. What comes next in `by_ttl` wants a closer look.
  mutating func sweepAhead(from first: [Due]) throws -> Bool {
    guard !options.dryRun, cursor.offset < Self.nearby else { return false }
    var (ids, pageSize) = (Set(first.compactMap(\.member?.id)).sorted(), first.count)
    var hasRemoved = false
    guard !ids.isEmpty,
      var looked = try store.client.sendAhead(
        store.pipeline { store.appendHeadLook(at: ids, to: &$0) }, after: nil)
    else { return false }
    defer { store.client.giveUp(looked) }
    var seen = try store.client.collect(looked)
    while let heads = seen.flatMap({ expired(ids, in: $0.suffix(ids.count)) }), !options.shouldStop() {
      let namespaces = Set(heads.map(\.namespace)).sorted()
      let question = store.pipeline {
        store.appendPointerLook(to: heads, in: namespaces, to: &$0)
        appendDueQuestion(skipping: pageSize, to: &$0)
      }
      guard let asked = try store.client.sendAhead(question, after: looked) else { break }
      looked = asked
      guard let replies = try store.client.collect(asked), replies.allSatisfy({ $0.kind != .error }),
        let pointers = try? store.pointers(to: heads, in: namespaces, replies.dropLast()),
        pointers.emptying.isEmpty
      else { break }
      let nextPage = duePage(in: replies[replies.count - 1])
      let next = Set(nextPage.compactMap(\.member?.id)).sorted()
      var commands = Pipeline()
      commands.append("MULTI")
      store.appendRemoval(of: heads, pointers.found, counting: .own(.expirations), to: &commands)
      for namespace in namespaces { commands.append("ZCARD", store.layout.lru(namespace)) }
      let execPlace = commands.count
      commands.append("EXEC")
      if !next.isEmpty { store.appendHeadLook(at: next, to: &commands) }
      guard let sent = try store.client.sendAhead(commands, after: asked, commits: true) else { break }
      looked = sent
      guard let answers = try store.client.collect(sent),
        let counts = try store.results(of: commands, in: answers, execPlace: execPlace)?.suffix(
          namespaces.count)
      else { break }
      hasRemoved = true
      report.expired += heads.count
      options.progress(report)
      // Another run may have taken the rest of a namespace.
      try store.retire(zip(namespaces, counts).filter { $1.integer == 0 }.map(\.0))
      (ids, pageSize, seen) = (next, nextPage.count, next.isEmpty ? nil : answers)
    }
    return hasRemoved
  }

  /// - Returns: nil where not all of them are ours to remove, expired and sound.
  private func expired(
    _ ids: [EntryID], in replies: some RandomAccessCollection<Reply>
  ) -> [RedisStore.EntryHead]? {
    let heads = zip(ids, replies).compactMap { id, reply in try? store.head(of: id, in: reply) }
    let areOurs = heads.allSatisfy {
      $0.isExpired(at: options.now) && (options.namespace == nil || $0.namespace == options.namespace)
    }
    return heads.count == ids.count && areOurs ? heads : nil
  }
}
