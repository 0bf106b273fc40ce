import Foundation
import TestSupport
import Testing

/// Ten thousand questions that people have asked their bank.
@Suite struct Banking77Tests {
  /// Makes import lines of the questions, and prints their distinct hashes in Python.
  private static let prepare = """
    import csv, hashlib, json, re, sys
    hashes = {}
    with open(sys.argv[1], newline="", encoding="utf-8") as source, open(sys.argv[2], "w") as lines:
        for row in csv.DictReader(source):
            line = {"query": row["text"], "response": row["category"]}
            if len(sys.argv) > 3: line["ttl"] = int(sys.argv[3])
            lines.write(json.dumps(line) + "\\n")
            text = re.sub(r"\\s+", " ", row["text"].strip()).casefold()
            hashes[hashlib.sha256(text.encode()).hexdigest()] = row["category"]
    for digest, category in hashes.items(): print(digest, category)
    """

  private func prepare(_ file: String, ttl: Int? = nil) throws -> [(hash: String, category: String)] {
    let arguments =
      ["python3", "-c", Banking77Tests.prepare, Repository.banking77, file] + (ttl.map { ["\($0)"] } ?? [])
    return try ChildProcess(arguments).finish().expecting(0).outputLines.map {
      let parts = $0.split(separator: " ").map(String.init)
      return (parts[0], parts[1])
    }
  }

  @Test(
    "every question is found, copied to another cache, and removed after its time to live",
    .needsBanking77, .needs(program: "python3"), .thorough)
  func questions() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("lines.jsonl")
    let distinct = try prepare(file)
    let lines = try directory.read("lines.jsonl").split(separator: 0x0A)
    #expect(lines.count == 10_003)

    let fixture = try CacheFixture("banking77")
    let report = try fixture.mneme.run(["import", "--json", file], within: .seconds(400)).expecting(0).json()
    #expect(
      report["imported"].int == 10_003)
    #expect(try fixture.entryCount() == distinct.count)
    // Lines with the same query in one transaction are one write.
    #expect(try (distinct.count...10_003).contains(Int(fixture.version())))

    // By Python's own hashes, each of them.
    let wanted = distinct.map { Array(fixture.key("hash:default:\($0.hash)").utf8) }
    let ids = try fixture.redis.pipeline(wanted.map { [Array("GET".utf8), $0] }).map { $0.text ?? "" }
    let answers = try fixture.redis.pipeline(
      ids.map { [Array("HGET".utf8), Array(fixture.key("entry:\($0)").utf8), Array("response".utf8)] })
    #expect(answers.map(\.text) == distinct.map { $0.category })
    try askTheCommand(
      lines.map { try JSONValue(String(decoding: $0, as: UTF8.self)) }, fixture, in: directory)

    let copy = try CacheFixture("banking77-copy")
    let (from, to) = (directory.path("from"), directory.path("to"))
    let pipe =
      "mneme export -o '\(from)' -q && mneme export | mneme import -q -p '\(copy.prefix)' && mneme export -q -p '\(copy.prefix)' -o '\(to)'"
    let piped = try fixture.mneme.shell(pipe, within: .seconds(400))
    #expect(piped.status == 0, "\(piped)")
    // Nor the settings, which name the prefix.
    let withoutIDs = try ["from", "to"].map { name in
      try ChildProcess(["sed", "-E", #"1d; s/^\{"id":[0-9]+,/{/"#, directory.path(name)]).finish().expecting(
        0
      )
      .output
    }
    #expect(withoutIDs[0] == withoutIDs[1])
    #expect(withoutIDs[0].count > 10_000_000)

    let mortal = try CacheFixture("banking77-mortal")
    _ = try prepare(file, ttl: 1)
    try mortal.mneme.run(["import", file], within: .seconds(400)).expecting(0)
    sleep(2)
    let vacuum = try mortal.mneme.run(["vacuum", "--json"], within: .seconds(400)).expecting(0).json()
    #expect(vacuum["expired"].int == distinct.count)
    #expect(vacuum["remaining"].int == 0)
    let left = try mortal.dump().names.filter { !isLastingKey($0, of: mortal.prefix) }
    #expect(left == [])
  }

  /// Asks the command itself every tenth question, two at a time: each is an exact hit.
  private func askTheCommand(
    _ lines: [JSONValue], _ fixture: CacheFixture, in directory: TemporaryDirectory
  ) throws {
    let questions = stride(from: 0, to: lines.count, by: 10).compactMap { lines[$0]["query"].string }
    #expect(questions.count == 1001)
    try directory.write(questions.joined(separator: "\0").utf8, to: "questions")
    let ask = "xargs -0 -P 2 -n 1 '\(Mneme.binary)' get --exact --json < '\(directory.path("questions"))'"
    let asked = try fixture.mneme.shell(ask)
    #expect(asked.status == 0, "\(asked)")
    let hits = asked.outputLines.count { $0.contains("\"hit\":true") && $0.contains("\"layer\":\"exact\"") }
    #expect(hits == questions.count)
  }
}
