import Mneme

/// An entry with something particular in every field.
enum Sample {
  static let entry = StoredEntry(
    id: EntryID(7), namespace: Namespace(unchecked: "a:b|c d"),
    queryHash: String(repeating: "0a", count: 32), query: "Wo? \"é\" e\u{301}\u{202E}",
    response: "line\n\u{1B}[2J\u{0}🙂",
    embedding: Embedding([0.6, 0.8]),
    metadata: #"{"z":0.1,"a":[1e400,12345678901234567890,-0.0],"s":"\ud800 \u00e9","z":1.50}"#,
    createdAt: UnixTime(1_700_000_000), lastAccessedAt: UnixTime(1_700_000_123), ttl: Seconds(60),
    accessCount: 42)
}
