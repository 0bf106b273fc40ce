import Foundation
import Testing

@testable import CommandGrammar

/// What is typed, and what is offered.
struct CompletionCase: Sendable, CustomTestStringConvertible {
  let line: String
  let offers: [String]
  /// Where fish, which knows options by itself, offers something else.
  let fishOffers: [String]?

  init(_ line: String, _ offers: [String], fish: [String]? = nil) {
    self.line = line
    self.offers = offers
    fishOffers = fish
  }

  var testDescription: String { line }
}

private let commands = ["add", "list", "find", "throw-out", "load", "completions", "help"]
private let shelves = ["top", "middle", "my shelf", "a:b", "it's"]

/// The same for the three shells. What a shell would quote on the line stands here unquoted.
private let cases = [
  CompletionCase("larder ", commands),
  CompletionCase("larder l", ["list", "load"]),
  CompletionCase("larder --json l", ["list", "load"]),
  CompletionCase("larder -H /tmp l", ["list", "load"]),
  CompletionCase("larder -H list l", ["list", "load"]),
  CompletionCase("larder --home=/tmp -q l", ["list", "load"]),
  CompletionCase("larder -qH list l", ["list", "load"]),
  CompletionCase("larder --p", ["--patience"]),
  CompletionCase("larder list --o", ["--order"]),
  CompletionCase("larder list --s", ["--shelf"]),
  CompletionCase("larder add --no", ["--note-file"]),
  CompletionCase("larder list --keeps", []),
  CompletionCase("larder list --order ", ["name", "age", "amount"]),
  CompletionCase("larder list --order a", ["age", "amount"]),
  CompletionCase("larder list --order=a", ["--order=age", "--order=amount"]),
  CompletionCase("larder --color ", ["auto", "always", "never"]),
  CompletionCase("larder list --color n", ["never"]),
  CompletionCase("larder list --shelf ", shelves),
  CompletionCase("larder list -s ", shelves),
  CompletionCase("larder list -s m", ["middle", "my shelf"]),
  CompletionCase("larder list -sm", ["-smiddle", "-smy shelf"]),
  CompletionCase("larder list -qst", ["-qstop"]),
  CompletionCase("larder list --shelf=m", ["--shelf=middle", "--shelf=my shelf"]),
  CompletionCase("larder throw-out ", ["plum jam", "pickles"]),
  CompletionCase("larder throw-out jam ", ["plum jam", "pickles"]),
  CompletionCase("larder throw-out -n pi", ["pickles"]),
  CompletionCase("larder throw-out -- pi", ["pickles"]),
  CompletionCase("larder throw-out -- --a", []),
  CompletionCase("larder add ", []),
  CompletionCase("larder add jam ", []),
  CompletionCase("larder list --limit ", []),
  CompletionCase("larder load n", ["notes.txt", "nested/"]),
  CompletionCase("larder load notes.txt n", []),
  CompletionCase("larder add --note-file n", ["notes.txt", "nested/"]),
  CompletionCase("larder -H n", ["nested/"]),
  CompletionCase("larder completions ", ["bash", "zsh", "fish"]),
  CompletionCase("larder help th", ["throw-out"]),
  CompletionCase("larder bogus ", []),
  // What was given is not offered again, unless it repeats; fish offers it, and the parser says so.
  CompletionCase("larder list -s top --s", [], fish: ["--shelf"]),
  CompletionCase("larder add --label a --l", ["--label"]),
  // Before the command it may be any command's option; fish waits for the command.
  CompletionCase("larder --order a", ["age", "amount"], fish: ["add"]),
]

/// A folder to complete in, with files, a stand-in for the program, and its scripts.
private func makeLarder() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let values = (shelves + [""]).map { $0.replacing("'", with: #"'\''"#) }.joined(separator: "\n")
  try folder.write(
    """
    #!/bin/sh
    printf '%s\\n' "$@" >> "$(dirname "$0")/../calls"
    echo noise >&2
    case "$1 $2" in
    "__complete shelves") printf '%s' '\(values)' ;;
    "__complete items") printf 'plum jam\\tsweet\\npickles\\n' ;;
    esac
    cat
    """, to: "bin/larder", isExecutable: true)
  try folder.write("", to: "work/notes.txt")
  try folder.write("", to: "work/nested/deep.txt")
  try folder.write("", to: "work/other")
  for shell in Shell.allCases {
    let script = Larder.grammar.completionScript(for: shell)
    try folder.write(script.text, to: script.name)
  }
  return folder
}

private func run(_ shell: String, _ arguments: [String], in folder: TemporaryFolder) throws -> String {
  let tool = try #require(Tool(shell))
  let path = "\(folder.url.path)/bin:\(ProcessInfo.processInfo.environment["PATH"] ?? "")"
  return try tool.output(
    arguments, in: folder.url.appending(path: "work"),
    environment: [
      "PATH": path, "HOME": folder.url.path, "XDG_CONFIG_HOME": folder.url.path, "LC_ALL": "C.UTF-8",
    ])
}

/// Parts of an output, one a completed line.
private func parts(_ output: String) -> [[String]] {
  output.split(separator: "====\n", omittingEmptySubsequences: false).dropLast().map {
    $0.split(separator: "\n").map(String.init)
  }
}

@Suite("Completion")
struct CompletionTests {
  @Test(
    "bash offers what can be typed",
    .enabled(if: Tool.isInstalled("bash"), "bash is not installed"))
  func bash() throws {
    let folder = try makeLarder()
    // Offers are shown as the shell would read them. A slash behind a directory is readline's.
    let script = """
      source ../larder.bash
      for line; do
        COMP_LINE=$line COMP_POINT=${#line}
        _larder
        for offer in "${COMPREPLY[@]}"; do
          if [[ $takes != *irector* && -d ${offer#*=} ]]; then offer+=/; fi
          eval "printf '%s\\n' $offer"
        done
        echo '===='
      done
      """
    let offered = parts(try run("bash", ["--norc", "-c", script, "bash"] + cases.map(\.line), in: folder))
    try #require(offered.count == cases.count)
    for (testCase, offers) in zip(cases, offered) {
      // Readline replaces only what stands behind the last = of a word.
      let expected = testCase.offers.map {
        $0.hasPrefix("--") && $0.contains("=") ? String($0.split(separator: "=")[1]) : $0
      }
      #expect(offers.sorted() == expected.sorted(), "\(testCase.line)")
    }
  }

  @Test(
    "bash quotes an offer as the word is quoted, and leaves alone what readline keeps",
    .enabled(if: Tool.isInstalled("bash"), "bash is not installed"))
  func bashQuoting() throws {
    let folder = try makeLarder()
    let script = """
      source ../larder.bash
      for line; do
        COMP_LINE=$line COMP_POINT=${#line}
        _larder
        printf '%s\\n' "${COMPREPLY[@]}"
        echo '===='
      done
      """
    let table = [
      ("larder list -s my", #"my\ shelf"#),
      (#"larder list -s my\ "#, #"my\ shelf"#),
      (#"larder list -s "my"#, "my shelf"),
      ("larder list -s 'my", "my shelf"),
      ("larder list -s it", #"it\'s"#),
      (#"larder list -s "it"#, "it's"),
      ("larder list -s 'it", #"it'\''s"#),
      ("larder list -s a:", "b"),
      ("larder list --shelf=a:", "b"),
      (#"larder list --shelf="a:"#, "a:b"),
    ]
    let offered = parts(try run("bash", ["--norc", "-c", script, "bash"] + table.map(\.0), in: folder))
    try #require(offered.count == table.count)
    for (row, offers) in zip(table, offered) { #expect(offers == [row.1], "\(row.0)") }
  }

  @Test(
    "the bash script takes the words up to the cursor, and hands them on without their quotes",
    .enabled(if: Tool.isInstalled("bash"), "bash is not installed"))
  func bashCursor() throws {
    let folder = try makeLarder()
    let script = """
      source ../larder.bash
      COMP_LINE=$1 COMP_POINT=$2
      _larder
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let line = #"larder -H "a b" list --shelf mi --json"#
    let offered = try run("bash", ["--norc", "-c", script, "bash", line, "31"], in: folder)
    #expect(offered == "middle\n")
    let calls = try String(contentsOf: folder.url.appending(path: "calls"), encoding: .utf8)
    #expect(calls == "__complete\nshelves\n--\n-H\na b\nlist\n--shelf\n")
  }

  @Test(
    "zsh offers what can be typed",
    .enabled(if: Tool.isInstalled("zsh"), "zsh is not installed"))
  func zsh() throws {
    let folder = try makeLarder()
    // The functions of the completion system work in the line editor only; these tell what they were asked to
    // offer.
    let script = #"""
      compdef() { }
      compset() {
        case $1 in
        (-P) ignored+=${PREFIX%%=*}= PREFIX=${PREFIX#*=} ;;
        (-p) ignored+=${PREFIX[1,$2]} PREFIX=${PREFIX[$2+1,-1]} ;;
        esac
      }
      offer() { local it; for it; do [[ $it == $PREFIX* ]] && print -r -- $ignored$it; done }
      compadd() { offer "${(@P)2}"; }
      _wanted() { shift 3; "$@"; }
      _describe() { offer "${(@)${(@P)@[-1]}%%:*}"; }
      _message() { }
      _files() { local f; for f in *; do [[ -d $f ]] && offer $f/ || [[ $1 == -/ ]] || offer $f; done }
      source ../_larder
      for line; do
        words=("${(Z:n:)line}")
        [[ $line == *' ' ]] && words+=('')
        CURRENT=$#words PREFIX=$words[-1] ignored=
        _larder
        echo '===='
      done
      """#
    let offered = parts(try run("zsh", ["-f", "-c", script, "zsh"] + cases.map(\.line), in: folder))
    try #require(offered.count == cases.count)
    for (testCase, offers) in zip(cases, offered) {
      #expect(offers.sorted() == testCase.offers.sorted(), "\(testCase.line)")
    }
  }

  @Test(
    "fish offers what can be typed",
    .enabled(if: Tool.isInstalled("fish"), "fish is not installed"))
  func fish() throws {
    let folder = try makeLarder()
    let script = """
      source ../larder.fish
      for line in $argv
          complete -C $line | string replace -r '\\t.*' ''
          echo '===='
      end
      """
    let offered = parts(try run("fish", ["--no-config", "-c", script] + cases.map(\.line), in: folder))
    try #require(offered.count == cases.count)
    for (testCase, offers) in zip(cases, offered) {
      #expect(offers.sorted() == (testCase.fishOffers ?? testCase.offers).sorted(), "\(testCase.line)")
    }
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
    let kinds = CompletionTable(grammar).options.filter { $0.meaning.name == "--kind" }
    #expect(kinds.map(\.patterns) == [["other:--kind"], ["*:--kind"]])
    #expect(kinds.map(\.meaning.takes) == ["choices cellar attic", "choices small large"])
  }

  @Test(
    "shellcheck finds nothing to complain about in the bash script",
    .enabled(if: Tool.isInstalled("shellcheck"), "shellcheck is not installed"))
  func shellcheck() throws {
    let folder = try makeLarder()
    let tool = try #require(Tool("shellcheck"))
    #expect(try tool.output(["--shell=bash", folder.url.appending(path: "larder.bash").path]) == "")
  }

  @Test("the same grammar gives the same scripts", arguments: Shell.allCases)
  func determinism(shell: Shell) {
    #expect(Larder.grammar.completionScript(for: shell) == Larder.grammar.completionScript(for: shell))
  }

  @Test("each script has the name that its shell looks for")
  func names() {
    #expect(Shell.allCases.map { $0.fileName(for: "larder") } == ["larder.bash", "_larder", "larder.fish"])
  }
}
