import Mneme

/// A cache on a server, under any prefix.
package struct DiscoveredCache: Sendable, Equatable {
  /// The prefix as bytes, because another program's need not be text.
  package var keyPrefix: [UInt8]
  /// The number of entries; nil if `by_id` may not be read, or is not a sorted set.
  package var entries: Int?
  package var fingerprint: String
  /// The dimension; nil if `meta` has no valid one.
  package var dimension: Int?
}

extension RedisClient {
  /// Finds every cache in the database by its `meta`, sorted by prefix. Call it on a client that no store uses.
  ///
  /// It uses `SCAN` for hashes whose name ends in `:meta`, 200 keys a page, and one round trip to read the fields of
  /// those on a page. A hash of another program does not have these fields. On a cluster it asks every primary.
  /// - Parameters:
  ///   - control: stopped early, it returns what was found. Progress counts about how many keys were passed.
  ///   - whenNotPermitted: called with the names of keys that may be the `meta` of a cache and that this user may not
  ///     read.
  /// - Throws: `StoreBackendError` with `accessDenied` if the user may not run `SCAN`.
  package func discoverCaches(
    _ control: WorkControl = WorkControl(), whenNotPermitted: (_ key: [UInt8]) -> Void = { _ in }
  ) throws -> [DiscoveredCache] {
    var found: [[UInt8]: DiscoveredCache] = [:]
    var passed = 0
    let nodes = try nodesWithKeys()
    let isOfCluster = isOfCluster
    for node in nodes {
      let place = node.endpoint
      // If a slot moves, reads of its keys are redirected to another node, while a walk must stay on its node.
      let asking = isOfCluster ? node.another() : node
      defer {
        for client in isOfCluster ? [node, asking] : [] {
          count(client.traffic)
          client.close()
        }
      }
      let everyMeta = Cursor.Subject.keys(matching: Array(KeyLayout.everyMeta.utf8), type: "hash")
      try node.forEachPage(of: everyMeta, shouldStop: control.shouldStop) { request in
        try node.read(request, tolerating: true)
      } _: { page in
        for cache in try asking.caches(
          ofMetaKeys: page.map(\.bytes), onCluster: isOfCluster, whenNotPermitted)
        {
          found[cache.keyPrefix] = cache
        }
        passed += Cursor.pageSize
        control.progress(WorkProgress(done: passed))
      }
      guard node.endpoint == place else {
        throw StoreBackendError(
          .connectionLost, "A node of the cluster at \(address) was lost while its keys were looked through.",
          about: .server(address), remedy: .repeatCommand)
      }
    }
    return found.values.sorted { $0.keyPrefix.lexicographicallyPrecedes($1.keyPrefix) }
  }

  /// Whether the server has reported that it is a node of a cluster.
  package var isOfCluster: Bool { role.isCluster == true }

  /// Returns this client alone, or a client for each primary of a cluster. One round trip, two on a cluster.
  private func nodesWithKeys() throws -> [RedisClient] {
    var request = Pipeline()
    // Any user of discovery may run this command. The greeting sent with it shows whether this is a cluster.
    _ = Cursor(.keys(matching: Array(KeyLayout.everyMeta.utf8))).append(to: &request)
    _ = try read(request, tolerating: true)
    guard isOfCluster else { return [self] }
    request = Pipeline()
    let slots = request.append("CLUSTER", "SLOTS")
    let reply = try read(request)[slots]
    return locked {
      ClusterNodes(primariesIn: reply, from: endpoint).endpoints.map { place in
        let node = RedisClient(url: connector.url, options: options)
        node.endpoint = place
        return node
      }
    }
  }

  private func caches(
    ofMetaKeys keys: [[UInt8]], onCluster: Bool, _ whenNotPermitted: (_ key: [UInt8]) -> Void
  ) throws -> [DiscoveredCache] {
    typealias Field = KeyLayout.MetaField
    var request = Pipeline()
    let asked = keys.compactMap(KeyLayout.prefix(ofMeta:)).map { prefix in
      let layout = KeyLayout(prefixBytes: prefix)
      let meta = request.append("HMGET", layout.meta, Field.fingerprint, Field.dimension)
      // On a cluster the keys of a prefix without a hash tag are on several nodes, and are not a cache.
      let isTogether = !onCluster || KeyHashTag.ofKeys(under: layout.prefix) != nil
      return (
        prefix: prefix, meta: meta, count: isTogether ? request.append("ZCARD", layout.byID) : nil
      )
    }
    let replies = try read(request, tolerating: true)
    return asked.compactMap { prefix, meta, count in
      let meta = replies[meta]
      if meta.error?.code == "NOPERM" { whenNotPermitted(KeyLayout(prefixBytes: prefix).meta.bytes) }
      guard let fingerprint = meta[0].string else { return nil }
      return DiscoveredCache(
        keyPrefix: prefix, entries: count.flatMap { replies[$0].size }, fingerprint: fingerprint,
        dimension: meta[1].size)
    }
  }
}
