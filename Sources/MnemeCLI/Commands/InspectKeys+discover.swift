import Mneme
import MnemeRedis

extension InspectKeys {
  func discover(_ context: Context) throws -> any Report {
    let client = try context.openClient()
    defer { client.close() }
    let work = try LongWork(context, unit: "keys", pace: pace)
    let caches = try context.discoverCaches(on: client, work.control())
    try work.check()
    return DiscoveryReport(caches: caches)
  }
}

struct DiscoveryReport: Report {
  var caches: [DiscoveredCache]

  var json: JSONOutput { ["caches": .array(caches.map(Self.row))] }

  private static func row(_ cache: DiscoveredCache) -> JSONOutput {
    [
      "key_prefix": JSONOutput(String(decoding: cache.keyPrefix, as: UTF8.self)),
      "entries": JSONOutput(cache.entries), "embedder_fingerprint": JSONOutput(cache.fingerprint),
      "embedder_dim": JSONOutput(cache.dimension),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard !caches.isEmpty else { return "there is no cache on this server" }
    var table = Table([
      .init(title: "PREFIX", isFlexible: true, isName: true), .init(title: "ENTRIES", isNumeric: true),
      .init(title: "DIM", isNumeric: true), .init(title: "EMBEDDER"),
    ])
    table.rows = caches.map { cache in
      [
        visible(String(decoding: cache.keyPrefix, as: UTF8.self)), cache.entries.map { grouped($0) } ?? "-",
        cache.dimension.map { grouped($0) } ?? "-", visible(cache.fingerprint),
      ]
    }
    return table.text(style)
  }
}
