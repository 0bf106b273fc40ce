import Foundation
import TestSupport
import Testing

@Suite("Auditing a cache") struct AuditTests {
  private static func line(_ query: String, _ response: String, _ namespace: String = "default") throws
    -> String
  {
    try jsonLine(["query": query, "response": response, "namespace": namespace])
  }

  /// A cache with two questions of the same words in another order, two with the same response, and a different one. In
  /// `faq` no two are similar.
  private static func fixture() throws -> CacheFixture {
    let fixture = try CacheFixture("audited")
    let lines = try [
      line("How do I move money from savings to checking?", "With a click."),
      line("How do I move money from checking to savings?", "In the branch."),
      line("What does the delivery of a parcel cost?", "Five euros."),
      line("what does delivery of the parcel cost", "Five euros."),
      line("Who may open an account?", "Anyone."),
      line("What is the exchange rate?", "See the page.", "faq"),
      line("Why was my top-up declined?", "Ask your bank.", "faq"),
    ]
    try fixture.mneme.run("import", input: lines.joined())
    return fixture
  }

  @Test("names the pairs that could be served for one another, and ends with 1")
  func report() throws {
    let fixture = try Self.fixture()
    try fixture.expectUnchanged {
      let answer = try fixture.mneme.run("audit", "--json", expecting: 1).json()
      #expect(answer["threshold"].double == 0.85)
      let (first, faq) = (answer["namespaces"][0], answer["namespaces"][1])
      #expect(first["namespace"].string == "default" && faq["namespace"].string == "faq")
      #expect(first["entries"].int == 5 && first["compared"].int == 5)
      #expect(first["conflict_count"].int == 1 && first["duplicate_count"].int == 1)
      let conflict = first["conflicts"][0]
      #expect(conflict["a"]["id"].int == 1 && conflict["b"]["id"].int == 2)
      #expect(conflict["a"]["query"].string == "How do I move money from savings to checking?")
      #expect(conflict["differs"][0].string == "order")
      #expect(try #require(conflict["similarity"].double) > 0.85)
      #expect(first["duplicates"][0]["a"]["id"].int == 3 && first["duplicates"][0]["b"]["id"].int == 4)
      #expect(first["redundant"]["entries"].int == 1)
      // Queries, responses, metadata and vectors of 1,536 bytes.
      let bytes = "what does delivery of the parcel cost".count + "Five euros.".count + 2 + 1536
      #expect(first["redundant"]["bytes"].int == bytes)
      let table = try #require(first["leave_one_out"].array)
      #expect(
        table.count == 30 && table[0]["threshold"].double == 0.7 && table[29]["threshold"].double == 0.99)
      for row in table {
        let counts = ["same", "different", "none"].compactMap { row[$0].int }
        #expect(counts.count == 3 && counts.reduce(0, +) == 5)
      }
      #expect(faq["conflict_count"].int == 0 && faq["duplicates"].array?.isEmpty == true)
      #expect(faq["recommended_threshold"].isNull && faq["interval"].isNull)
    }
    #expect(try fixture.mneme.run("audit", "--json", "-n", "faq").json()["namespaces"].array?.count == 1)
    try fixture.mneme.run("audit", "--threshold", "0.999")
    // Entries that are not selected are not compared.
    try fixture.mneme.run("audit", "--query-contains", "checking to")
    let few = try fixture.mneme.run(
      "audit", "--json", "--limit", "0", "--sample", "2", "--max-false", "1", expecting: 1
    )
    .json()
    #expect(few["namespaces"][0]["compared"].int == 2)
    #expect(few["namespaces"][0]["conflicts"].array?.isEmpty == true)
  }

  @Test("shows the queries of a pair one below the other in 80 columns, with their differences in bold")
  func text() throws {
    let fixture = try Self.fixture()
    let long = String(repeating: "and another long word ", count: 12)
    try fixture.mneme.run("put", long + "on Monday", "yes")
    try fixture.mneme.run("put", long + "on Friday", "no")
    var mneme = fixture.mneme
    mneme.environment["COLUMNS"] = "80"
    let plain = try mneme.run("audit", "--threshold", "0.8", expecting: 1)
    let lines = plain.outputText.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines.allSatisfy { $0.count <= 80 || $0.contains("threshold") }, "\(plain)")
    #expect(!plain.outputText.contains("\u{1B}"))
    let place = try #require(
      lines.firstIndex { $0.contains("  1  How do I move money from savings to checking?") })
    #expect(lines[place + 1] == "  2  How do I move money from checking to savings?")
    #expect(lines[place - 1].contains("the order of words"))
    #expect(plain.outputText.contains("a date or time"))
    #expect(plain.outputText.contains("THRESHOLD"))
    let bold = try mneme.run(["audit", "--threshold", "0.8", "--color", "always"]).expecting(1).outputText
    #expect(bold.contains("from \u{1B}[1mchecking\u{1B}[0m to \u{1B}[1msavings\u{1B}[0m?"), "\(bold)")
    #expect(bold.contains("\u{1B}[1mFriday\u{1B}[0m"))
  }

  @Test("deletes the younger of two duplicates, after asking, and nothing else")
  func applyDuplicates() throws {
    let fixture = try Self.fixture()
    try fixture.age(4, by: 100)
    #expect(try fixture.mneme.run("audit", "--apply-duplicates", expecting: 64).errorText.contains("--yes"))
    #expect(try fixture.mneme.run("audit", "--yes", expecting: 64).errorText.contains("--apply-duplicates"))
    let dry = try fixture.mneme.run("audit", "--apply-duplicates", "--dry-run", expecting: 1).outputText
    #expect(dry.contains("would delete 1 entry"))
    #expect(try fixture.entryCount() == 7)
    let answer = try fixture.mneme.run("audit", "--apply-duplicates", "--yes", "--json", expecting: 1).json()
    #expect(answer["deleted"].int == 1)
    // The entry with the higher id was the older one.
    #expect(try fixture.fields(of: 3).isEmpty)
    #expect(try fixture.fields(of: 4)["response"] == "Five euros.")
    #expect(try fixture.entryCount() == 6)
    let again = try fixture.mneme.run("audit", "--apply-duplicates", "--yes", expecting: 1).outputText
    #expect(again.contains("no duplicate to delete"))
    try fixture.expectSound()
  }

  @Test("if there is no cache, or no entry matches, the audit prints nothing")
  func nothing() throws {
    let fixture = try CacheFixture("nothing to audit")
    let absent = try fixture.mneme.run("audit", expecting: 1)
    #expect(absent.outputText == "no entry to compare\n" && !absent.errors.isEmpty)
    let json = try fixture.mneme.run("audit", "--json", expecting: 1).json()
    #expect(json["namespaces"].array?.isEmpty == true)
    try fixture.mneme.run("put", "a question", "an answer")
    #expect(try fixture.mneme.run("audit").outputText == "default: 1 entry\n")
  }

  @Test("an audit ended by a signal reports that, with the results so far", arguments: [SIGINT, SIGTERM])
  func interrupted(number: Int32) throws {
    let fixture = try Self.fixture()
    let proxy = try ScriptedProxy(to: fixture.server)
    let audit = try Mneme(url: proxy.url, prefix: fixture.prefix).start(["audit", "--json", "--pace", "1m"])
    // The vectors of the first namespace are read for the index, for the entries and for their pairs. Then the command
    // pauses.
    var reads = 0
    for _ in 0..<3000 where reads < 3 {
      reads += proxy.roundTrips().count { $0.commands.first == "HGET" }
      usleep(10_000)
    }
    try #require(reads >= 3)
    audit.signal(number)
    let outcome = try audit.finish()
    #expect(outcome.status == 128 + number, "\(outcome)")
    let answer = try outcome.json()
    #expect(answer["complete"].bool == false)
    #expect(answer["namespaces"].array?.count == 1)
    #expect(answer["namespaces"][0]["conflict_count"].int == 1)
    #expect(answer["namespaces"][0]["compared"].int == 5)
  }

  @Test("calibrate takes the entries of the cache, and labelled texts of which it stores half")
  func calibration() throws {
    let fixture = try CacheFixture("calibrated")
    let topics = [
      "parcel from Spain", "debit card", "exchange rate", "top-up by cheque", "lost PIN", "new flat",
    ]
    let forms = [
      "Where is my TOPIC?", "where is my TOPIC please", "Tell me, where is my TOPIC",
      "My TOPIC, where is it?",
    ]
    let texts = topics.flatMap { topic in forms.map { ($0.replacing("TOPIC", with: topic), topic) } }
    try fixture.mneme.run("import", input: texts.map { try Self.line($0.0, $0.1) }.joined())
    let answer = try fixture.mneme.run("calibrate", "--from-cache", "--json").json()
    #expect(answer["asked"].int == texts.count && answer["pairs"].isNull)
    let table = try fixture.mneme.run(["audit", "--json"]).json()["namespaces"][0]["leave_one_out"]
    let curve = try #require(answer["curve"].array)
    #expect(curve.count == 50)
    for (place, point) in curve.enumerated().dropFirst(20) {
      let row = table[place - 20]
      #expect(row["threshold"].double == point["threshold"].double)
      let (same, different) = (Double(row["same"].int ?? -1), Double(row["different"].int ?? -1))
      #expect(point["recall"].double == same / Double(texts.count))
      if same + different > 0 { #expect(point["precision"].double == 1 - different / (same + different)) }
    }
    #expect(try #require(answer["precision_interval"][0].double) < (try #require(answer["precision"].double)))
    try fixture.mneme.run("put", "-n", "small", "a question", "an answer")
    try fixture.mneme.run("calibrate", "--from-cache", "-n", "small", expecting: 65)

    let directory = try TemporaryDirectory()
    try directory.write("text,label\n\(texts.map { "\"\($0.0)\",\($0.1)\n" }.joined())".utf8, to: "texts.csv")
    let away = Mneme(url: "unix:///nonexistent", prefix: "p")
    let labelled = try away.run("calibrate", "--labelled", directory.path("texts.csv"), "--json").json()
    #expect(labelled["asked"].int == texts.count / 2)
    let text = try away.run("calibrate", "--labelled", directory.path("texts.csv"), "--seed", "2").outputText
    #expect(text.contains("12 questions, by f1") && text.contains("(95 %: "), "\(text)")
  }
}
