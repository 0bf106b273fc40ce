import Testing

@testable import Mneme
@testable import MnemeCLI
@testable import MnemeRedis

/// A terminal of so many columns.
private func terminal(_ columns: Int) -> TerminalStyle {
  var style = TerminalStyle()
  style.outputIsTerminal = true
  (style.width, style.tableWidth) = (columns, columns)
  return style
}

private func lines(_ report: any Report, columns: Int = 80) -> [String] {
  (report.text(terminal(columns)) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
    .map(String.init)
}

@Suite("The text of stats")
struct StatsReportTests {
  private static let names = [
    "faq", String(repeating: "long", count: 30), "日本語のとても長い名前空間です本当に長いのですよ", "🙂👩‍👩‍👧🇵🇹", "\u{1B}[2J\u{202E}",
  ]

  private func report(each: Int64, quota: Int?) -> StatsReport {
    var counters = Counters()
    for counter in Counter.allCases { counters[counter] = each }
    let namespaces = StatsReportTests.names.map {
      NamespaceSummary(
        namespace: Namespace(unchecked: $0), entries: Int(each), quota: quota, counters: counters)
    }
    return StatsReport(
      keyPrefix: "mneme",
      stats: Stats(
        entries: Int(each), counters: counters, expiredPending: 3,
        identity: CacheIdentity(fingerprint: "mneme:hashed-ngrams-v1:dim384", dimension: 384), version: 7,
        namespaces: namespaces))
  }

  @Test(
    "no line is wider than 80 columns, whatever the names and figures",
    arguments: [0, 12, 123_456, 1_234_567, 987_654_321_012] as [Int64], [nil, 10_000, 1_000_000_000])
  func fits(each: Int64, quota: Int?) {
    for columns in [80, 100, 120] {
      for line in lines(report(each: each, quota: quota), columns: columns) {
        #expect(displayWidth(line) <= columns, "\(line)")
        #expect(!line.unicodeScalars.contains(where: isHazardous))
      }
    }
  }

  @Test("a wide terminal shows both kinds of hits, a narrow one their sum")
  func columns() {
    let heading = { (columns: Int) in
      lines(report(each: 5, quota: nil), columns: columns).first { $0.hasPrefix("NAMESPACE") } ?? ""
    }
    #expect(heading(120).contains("EXACT  SEMANTIC  MISSES"))
    #expect(heading(70).contains("HITS  MISSES"))
    #expect(!heading(120).contains("QUOTA"))
    let row = lines(report(each: 5, quota: 10), columns: 120).last { $0.hasPrefix("faq") }
    #expect(row?.split(separator: " ").joined(separator: " ") == "faq 5 10 50 % 5 5 5 67 % 5 5")
  }

  @Test("figures are exact while there is room for them")
  func exact() {
    #expect(lines(report(each: 123_456, quota: nil), columns: 120).last?.contains("123,456") == true)
    #expect(lines(report(each: 123_456_789, quota: 200_000_000)).last?.contains("123M") == true)
  }

  @Test("the lines about the whole cache come first")
  func summary() {
    #expect(
      Array(lines(report(each: 5, quota: nil)).prefix(8)) == [
        "prefix    mneme", "embedder  mneme:hashed-ngrams-v1:dim384",
        "entries   5 in 5 namespaces, 7.5 KiB of vectors", "hits      66.7 %, 5 exact, 5 semantic",
        "misses    5", "removed   5 evicted, 5 expired, 3 wait for vacuum", "schema    1, version counter 7",
        "",
      ])
    #expect(lines(report(each: 0, quota: nil))[3] == "hits      none yet")
  }
}

@Suite("The text of other reports")
struct ReportTextTests {
  private let faq = Namespace(unchecked: "f\u{1B}aq")

  @Test("a key survey fits 80 columns")
  func keySurvey() {
    var survey = KeySurvey()
    survey.keys = 12_345_678
    var family = KeySurvey.Family()
    family.family = .entry
    family.types = ["hash", "list", "string", "zset"]
    family.keys = 12_345_678
    family.withTTL = 12_345_678
    family.memoryBytes = 1 << 50
    survey.families = [family]
    let long = "mneme:" + String(repeating: "鍵", count: 60)
    survey.largest = [
      KeyRecord(
        key: Array(long.utf8), family: .entry, type: "hash", ttl: nil, memoryBytes: 5000, namespace: nil)
    ]
    survey.foreign = [Array("mneme:\u{1B}[2J".utf8)]
    let lines = lines(KeySurveyReport(keyPrefix: "mneme", survey: survey))
    #expect(lines.allSatisfy { displayWidth($0) <= 80 && !$0.unicodeScalars.contains(where: isHazardous) })
    #expect(lines.contains("  mneme:^[[2J"))
  }

  @Test("the results of a put, a delete and a clear")
  func changes() {
    let put = PutReport(insertion: Insertion(id: EntryID(7), replaced: true, evicted: 2), namespace: faq)
    #expect(lines(put) == ["replaced entry 7 in 'f^[aq', 2 evicted"])
    #expect(
      lines(DeletionReport(deleted: [EntryID(1), EntryID(2)], missing: 1, dryRun: false))
        == ["deleted entries 1, 2; 1 id not found"])
    #expect(
      lines(ClearReport(rows: [.init(namespace: faq, entries: 1)], dryRun: true))
        == ["would remove 1 entry from 'f^[aq'"])
  }

  @Test("an import reports new and other entries")
  func importing() {
    var report = ImportReport()
    report.added = 1
    #expect(lines(report) == ["imported 1 entry"])
    (report.added, report.replaced, report.skipped, report.evicted) = (1000, 20, 3, 4)
    #expect(
      lines(report) == ["imported 1,020 entries, 20 of them replacing older ones, skipped 3, evicted 4"])
    report.dryRun = true
    #expect(lines(report) == ["dry run: 1,000 new, 20 changed, 0 the same, skipped 3"])
  }

  @Test("a quota report has the number of entries and what will be evicted")
  func quota() {
    var report = QuotaReport(
      namespace: faq, quota: 10, previous: nil, entries: 5, evicted: 0, isPrinting: false)
    #expect(lines(report) == ["'f^[aq': quota 10 (was none), holds 5 (50 %)"])
    (report.entries, report.previous) = (15, 10)
    #expect(lines(report)[0].contains("5 over it: the next put evicts, and --evict does it now"))
    report.quota = nil
    #expect(lines(report) == ["'f^[aq' has no quota any more (it was 10)"])
    report.previous = nil
    #expect(lines(report) == ["'f^[aq' has no quota"])
  }

  @Test("a vacuum reports what was removed and what is left")
  func vacuum() {
    var report = VacuumReport()
    report.expired = 1
    func text(dryRun: Bool = false) -> String {
      lines(VacuumReportText(report: report, dryRun: dryRun, duration: .milliseconds(12), interrupted: nil))[
        0]
    }
    #expect(text() == "removed 1 expired entry in 12 ms")
    (report.expired, report.leftovers, report.remaining, report.complete) = (2000, 3, 40, false)
    #expect(
      text() == "removed 2,000 expired entries, 3 leftovers of Redis's own expiry in 12 ms; about 40 remain")
    #expect(text(dryRun: true).hasPrefix("would remove 2,000"))
  }

  @Test("--quiet suppresses confirmations of a change, and no requested output")
  func confirmations() {
    var vacuum = VacuumReport()
    func isConfirmation(dryRun: Bool = false) -> Bool {
      VacuumReportText(report: vacuum, dryRun: dryRun, duration: .zero, interrupted: nil).isConfirmation
    }
    #expect(isConfirmation())
    #expect(!isConfirmation(dryRun: true))
    vacuum.complete = false
    #expect(!isConfirmation())
    #expect(!GetReport(lookup: Lookup(hit: nil, missReason: .noMatch)).isConfirmation)
    #expect(DeletionReport(deleted: [], missing: 1, dryRun: false).isConfirmation)
    #expect(!DeletionReport(deleted: [], missing: 1, dryRun: true).isConfirmation)
  }
}

@Suite("The progress line")
struct ProgressTests {
  @Test("it shows the share, the number, the rate and the time left")
  func line() {
    #expect(
      ProgressLine.line(4000, "lines", share: 0.4, after: .seconds(2), 80)
        == "[########............]  40 %, 4,000 lines, 2,000/s, 3s left")
    #expect(ProgressLine.line(10, "keys", share: nil, after: .seconds(2), 80) == "10 keys, 5/s")
    #expect(ProgressLine.line(10, "keys", share: 1, after: .seconds(2), 80).contains("100 %, 10 keys"))
  }

  @Test(
    "it is never as wide as the terminal, whatever the numbers",
    arguments: [-1, 0, 0.5, 1, 7, .infinity] as [Double])
  func width(share: Double) {
    for columns in [20, 40, 80] {
      let line = ProgressLine.line(123_456_789, "entries", share: share, after: .milliseconds(1), columns)
      #expect(line.count < columns)
    }
  }
}
