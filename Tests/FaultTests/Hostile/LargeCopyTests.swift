import TestSupport
import Testing

/// A copy of large answers, in an address space that has no room for many of them.
@Suite("Large copies")
struct LargeCopyTests {
  @Test("a copy under another embedder keeps few large responses in memory", .thorough)
  func reembed() throws {
    let fixture = try CacheFixture("large")
    // Together more than the address space: 64 of them were one batch.
    let response = String(repeating: "r", count: 4_000_000)
    for first in stride(from: 1, through: 100, by: 10) {
      let lines = (first..<first + 10).map { #"{"query":"query \#($0)","response":"\#(response)"}"# + "\n" }
      try fixture.mneme.run(["import"], input: Array(lines.joined().utf8)).expecting(0)
    }
    let target = uniquePrefix("large-copy")
    let outcome = try fixture.mneme.start(["reembed", "--embedder", "none", target], memoryLimit: 600)
      .finish().expecting(0)
    #expect(outcome.outputText.contains("100 entries"), "\(outcome)")
  }
}
