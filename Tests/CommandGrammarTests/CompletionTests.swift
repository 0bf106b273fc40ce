import Testing

@testable import CommandGrammar

private let commands = ["add", "list", "find", "throw-out", "load", "completions", "help"]
private let shelves = ["top", "middle", "my shelf", "a:b", "it's"]

/// The candidates that the program finds.
private func live(_ kind: String, _ invocation: Invocation) -> [CompletionRequest.Candidate] {
  switch kind {
  case "shelves": shelves.map { .init($0) }
  case "items": [.init("plum jam", description: "sweet"), .init("pickles")]
  default: []
  }
}

/// The lines of the answer to a shell.
private func answer(_ words: [String]) throws -> [String] {
  guard case .complete(let request) = try SampleProgram.grammar.parse(["__complete"] + words) else {
    Issue.record("a question was expected")
    return []
  }
  let text = request.answer(live: live)
  #expect(text.hasSuffix("\n"))
  return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
}

/// The offers, as zsh compares them: with the word at the cursor, without its quotes.
private func offers(_ line: String) throws -> [String] {
  let words = line.split(separator: " ", omittingEmptySubsequences: false).dropFirst().map(String.init)
  let lines = try answer(["fish"] + words)
  guard lines.first == "words" else { return lines }
  let candidates = lines.dropFirst().map { String($0.prefix { $0 != "\t" }) }
  return candidates.filter { $0.hasPrefix(words.last ?? "") }
}

@Suite("Completion")
struct CompletionTests {
  @Test(
    "the words typed so far decide what is offered",
    arguments: [
      ("larder ", commands),
      ("larder l", ["list", "load"]),
      ("larder --json l", ["list", "load"]),
      ("larder -H /tmp l", ["list", "load"]),
      ("larder -H list l", ["list", "load"]),
      ("larder --home=/tmp -q l", ["list", "load"]),
      ("larder -qH list l", ["list", "load"]),
      // A command that is always refused is not offered.
      ("larder ea", []),
      ("larder help ea", []),
      ("larder eat --js", ["--json"]),
      ("larder --p", ["--patience"]),
      (
        "larder -",
        ["--home", "--patience", "--json", "--quiet", "--verbose", "--color", "--help", "--version"]
      ),
      ("larder list --o", ["--order"]),
      ("larder list --s", ["--shelf"]),
      ("larder add --no", ["--note-file"]),
      ("larder list --keeps", []),
      ("larder list --order ", ["name", "age", "amount"]),
      ("larder list --order a", ["age", "amount"]),
      ("larder list --order=a", ["--order=age", "--order=amount"]),
      ("larder list --nonsense=a", []),
      ("larder --color ", ["auto", "always", "never"]),
      ("larder list --color n", ["never"]),
      ("larder list --shelf ", shelves),
      ("larder list -s m", ["middle", "my shelf"]),
      ("larder list -sm", ["-smiddle", "-smy shelf"]),
      ("larder list -qst", ["-qstop"]),
      ("larder list -q", []),
      ("larder list -Z", []),
      ("larder list --shelf=m", ["--shelf=middle", "--shelf=my shelf"]),
      ("larder throw-out ", ["plum jam", "pickles"]),
      ("larder throw-out jam ", ["plum jam", "pickles"]),
      ("larder throw-out -n pi", ["pickles"]),
      ("larder throw-out -- pi", ["pickles"]),
      ("larder throw-out -- --a", []),
      ("larder add ", []),
      ("larder add jam ", []),
      ("larder add jam -5", []),
      ("larder list --limit ", []),
      ("larder load n", ["files", ""]),
      ("larder load notes.txt n", []),
      ("larder add --note-file n", ["files", ""]),
      ("larder add --note-file=n", ["files", "--note-file="]),
      ("larder -H n", ["directories", ""]),
      ("larder -Hn", ["directories", "-H"]),
      ("larder completions ", ["bash", "zsh", "fish"]),
      ("larder help th", ["throw-out"]),
      ("larder bogus ", []),
      // An option that was given is not offered again, unless it repeats.
      ("larder list -s top --s", []),
      ("larder --json list --js", []),
      ("larder add --label a --l", ["--label"]),
      // Before the command, the options of all commands are offered.
      ("larder --order a", ["age", "amount"]),
    ] as [(String, [String])])
  func table(line: String, expected: [String]) throws {
    #expect(try offers(line) == expected)
  }

  @Test("candidates have a description, in the form of each shell")
  func descriptions() throws {
    #expect(try answer(["fish", "throw-out", ""]) == ["words", "plum jam\tsweet", "pickles"])
    #expect(try answer(["zsh", "throw-out", ""]) == ["words", "plum jam:sweet", "pickles"])
    #expect(try answer(["bash", " ", "larder throw-out "]) == ["words", #"plum\ jam"#, "pickles"])
    #expect(try answer(["fish", "li"]).contains("list\tshow what is there"))
    #expect(try answer(["zsh", "--or", "--js"]).contains("--json:print JSON"))
  }

  @Test(
    "zsh gets the placeholder of free text, the length to skip before a file, and escaped colons"
  )
  func zsh() throws {
    #expect(try answer(["zsh", "list", "--limit", ""]) == ["text", "N"])
    #expect(try answer(["zsh", "add", ""]) == ["text", "ITEM"])
    #expect(try answer(["zsh", "add", "--note-file=n"]) == ["files", "12"])
    #expect(try answer(["zsh", "list", "-s", "a"]).contains(#"a\:b"#))
  }

  @Test("fish passes the word as it is typed, quotes and all")
  func fish() throws {
    #expect(try answer(["fish", "add", "--note-file='my n"]) == ["files", "--note-file="])
    #expect(try answer(["fish", "list", "'--order=a"]).contains("--order=age"))
    #expect(try answer(["fish", "-H", "/tmp", "\"li"]).contains("list\tshow what is there"))
  }

  @Test(
    "bash gets candidates that fit the word, quoted like it, without the part that readline keeps",
    arguments: [
      ("larder list -s my", [#"my\ shelf"#]),
      (#"larder list -s my\ "#, [#"my\ shelf"#]),
      (#"larder list -s "my"#, ["my shelf"]),
      ("larder list -s 'my", ["my shelf"]),
      ("larder list -s it", [#"it\'s"#]),
      (#"larder list -s "it"#, ["it's"]),
      ("larder list -s 'it", [#"it'\''s"#]),
      ("larder list -s a:", ["b"]),
      ("larder list --shelf=a:", ["b"]),
      (#"larder list --shelf="a:"#, ["a:b"]),
      ("larder list --order=a", ["age", "amount"]),
      (#"larder -H "a b" list --shelf mi"#, ["middle"]),
      (#"larder --home=a\ b list --shelf mi"#, ["middle"]),
      ("larder  list\t--shelf  mi", ["middle"]),
      (#"larder list "" -s mi"#, ["middle"]),
      ("lar", []),
      ("", commands),
    ] as [(String, [String])])
  func bash(line: String, expected: [String]) throws {
    #expect(try answer(["bash", " \t\n\"'><=;|&(:", line]) == ["words"] + expected)
  }

  @Test("bash learns where the name of a file begins, and which part readline keeps")
  func bashFiles() throws {
    let breaks = " \t\n\"'><=;|&(:"
    #expect(try answer(["bash", breaks, "larder load n"]) == ["files", "", "n", ""])
    #expect(
      try answer(["bash", breaks, "larder add --note-file=a:n"]) == [
        "files", "--note-file=", "a:n", "--note-file=a:",
      ])
    #expect(try answer(["bash", breaks, "larder -Hn"]) == ["directories", "-H", "n", ""])
  }

  @Test(
    "a backslash in double quotes is an ordinary character unless it escapes something",
    arguments: [
      (#"x "a\b\$c""#, #"a\b$c"#), (#"x 'a\b'"#, #"a\b"#), (#"x a\b"#, "ab"), (#"x a\"#, "a"),
      ("x 'a'\"b\"c", "abc"),
    ])
  func backslashes(line: String, word: String) {
    #expect(BashLine(line, wordBreaks: "").word == word)
  }

  @Test("an option that means different things in two commands is completed by the command")
  func sharedNames() throws {
    enum Size: String, CaseIterable { case small, large }
    enum Place: String, CaseIterable { case cellar, attic }
    let grammar = Grammar(
      program: "two", version: "1", date: "2026-01-01", summary: "do two things",
      commands: [
        CommandSpec(
          name: "one", summary: "The first",
          options: [Option("kind", value: .choice(Size.self, "SIZE"), summary: "Which size")]),
        CommandSpec(
          name: "other", summary: "The second",
          options: [Option("kind", value: .choice(Place.self, "PLACE"), summary: "Which place")]),
      ])
    func answer(_ words: String...) throws -> String? {
      guard case .complete(let request) = try grammar.parse(["__complete", "fish"] + words) else {
        return nil
      }
      return request.answer { _, _ in [] }
    }
    #expect(try answer("other", "--kind", "") == "words\ncellar\nattic\n")
    #expect(try answer("one", "--kind", "") == "words\nsmall\nlarge\n")
    #expect(try answer("--kind", "") == "words\nsmall\nlarge\n")
  }

  @Test(
    "a question that no stub asks is answered with nothing to offer",
    arguments: [[], ["bash"], ["bash", " "], ["ksh", "x"]])
  func strange(words: [String]) throws {
    #expect(try answer(words).first == "words")
  }

  @Test("each stub has the name that its shell looks for")
  func names() {
    #expect(Shell.allCases.map { $0.fileName(for: "larder") } == ["larder.bash", "_larder", "larder.fish"])
  }
}
