import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import MnemeCLI

/// The three shells at a terminal, with the scripts of `completions/` and namespaces from a server.
///
/// A substitute for `mneme` shows the words that a shell makes of a line: it completes as the real one does, and prints
/// its words when it is run. So a test need not read the line editor's drawing.
@Suite(
  "Tab at a prompt", .serialized, .needs(program: "bash"), .needs(program: "zsh"), .needs(program: "fish"))
struct TabTests {
  enum Shell: String, CaseIterable, CustomTestStringConvertible {
    case bash, zsh, fish

    var testDescription: String { rawValue }

    var command: [String] {
      switch self {
      case .bash: ["bash", "--norc", "--noprofile", "-i"]
      case .zsh: ["zsh", "-f", "-i"]
      case .fish: ["fish", "--no-config", "--private", "-i"]
      }
    }

    /// The command that starts the shell so that it finds the script by itself, where the README's lines put it. The
    /// user's start-up files may only contain what Debian's do.
    var unaidedCommand: [String] {
      switch self {
      case .bash: ["bash", "--noprofile", "--rcfile", "bashrc", "-i"]
      case .zsh: ["zsh", "-d", "-i"]
      case .fish: ["fish", "--private", "-i"]
      }
    }

    /// Makes a home for that. Directories of the user take the place of those of the system.
    /// - Returns: the variables that name them.
    func layOut(_ home: TemporaryDirectory) throws -> [String: String] {
      func place(_ script: String, _ path: String) throws {
        let directory = URL(filePath: home.path(path)).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
          atPath: Repository.top + "/completions/" + script, toPath: home.path(path))
      }
      switch self {
      case .bash:
        try place("mneme.bash", "share/completions/mneme")
        try home.write(". \(Self.bashCompletion)\n".utf8, to: "bashrc")
        return ["BASH_COMPLETION_USER_DIR": home.path("share")]
      case .zsh:
        try place("_mneme", "share/_mneme")
        try home.write("fpath=(~/share $fpath); autoload -Uz compinit; compinit -u -D\n".utf8, to: ".zshrc")
        return ["ZDOTDIR": home.path]
      case .fish:
        try place("mneme.fish", "share/fish/vendor_completions.d/mneme.fish")
        // Otherwise the first fish of a home reads all manual pages.
        try FileManager.default.createDirectory(
          atPath: home.path("fish/generated_completions"), withIntermediateDirectories: true)
        return ["XDG_DATA_DIRS": "\(home.path("share")):/usr/local/share:/usr/share"]
      }
    }

    /// The file that an interactive bash of Debian reads, and that looks for scripts.
    static let bashCompletion = "/usr/share/bash-completion/bash_completion"

    /// The lines that are typed before the first Tab: the script, and candidates shown immediately.
    var setUp: [String] {
      let scripts = Repository.top + "/completions"
      return switch self {
      case .bash:
        [
          "bind 'set show-all-if-ambiguous on'; bind 'set bell-style none'", "source '\(scripts)/mneme.bash'",
        ]
      case .zsh:
        ["fpath=('\(scripts)' $fpath); autoload -Uz compinit; compinit -u -D; setopt no_beep"]
      case .fish: ["function fish_prompt; echo '$ '; end", "source '\(scripts)/mneme.fish'"]
      }
    }
  }

  /// A shell at a terminal, in a directory of its own.
  private final class Session {
    let terminal: PseudoTerminal
    let directory: TemporaryDirectory

    /// - Parameters:
    ///   - unaided: the shell finds the script by itself.
    ///   - tries: how often to ask for a completion. One that takes longer than a person would wait ends without a word,
    ///     which happens on a busy machine.
    init(_ shell: Shell, url: String, prefix: String, unaided: Bool = false, tries: Int = 20) throws {
      directory = try TemporaryDirectory()
      let standIn = """
        #!/bin/sh
        if [ "$1" = __complete ]; then
          for turn in $(seq \(tries)); do
            answer=$('\(Mneme.binary)' "$@"; echo .)
            [ "$answer" = . ] || break
          done
          printf %s "${answer%.}"
          exit
        fi
        printf '<%s>' "$@"
        echo '[end]'
        """
      // A child that another test starts in the meantime would have the script open for a moment, and no shell could run
      // it ("Text file busy").
      let path = try Descriptor.spawning.withLock { [directory] _ in
        try directory.write(standIn.utf8, to: "mneme")
      }
      chmod(path, 0o755)
      try directory.write("".utf8, to: "cache.jsonl")
      try FileManager.default.createDirectory(
        atPath: directory.path("sub dir"), withIntermediateDirectories: false)
      try directory.write("".utf8, to: "sub dir/cache.csv")
      let variables = Mneme.plainEnvironment.merging([
        "PATH": "\(directory.path):\(searchPath)", "HOME": directory.path, "XDG_CONFIG_HOME": directory.path,
        "XDG_DATA_HOME": directory.path, "MNEME_URL": url, "MNEME_KEY_PREFIX": prefix, "PS1": "$ ",
      ]) { $1 }.merging(unaided ? try shell.layOut(directory) : [:]) { $1 }
      terminal = try PseudoTerminal(
        unaided ? shell.unaidedCommand : shell.command, environment: variables, directory: directory.path,
        columns: 120)
      if !unaided { for line in shell.setUp { try terminal.send(line + "\n") } }
      // In two pieces, so that the echo of what is typed is not taken for it.
      try terminal.send("echo rea''dy\n")
      try terminal.expect("ready\r\n")
    }

    /// Types a line and gives the words with which `mneme` was run.
    func type(_ line: String) throws -> String {
      try terminal.send(line + "\n")
      let shown = try terminal.expect("[end]")
      let words = try #require(shown.components(separatedBy: "\n").last { $0.contains("<") })
      return String(words.drop { $0 != "<" }.dropLast("[end]".count))
    }
  }

  /// A server with a cache of three namespaces.
  private func cache() throws -> Mneme {
    let mneme = Mneme(try RedisServer.shared())
    for name in ["faq", "support team", "z$(touch pwned)`id`;&'\""] {
      try mneme.run("put", "-n", name, "q", "r")
    }
    return mneme
  }

  private static let lines = [
    ("mneme st\t", "<stats>"),
    ("mneme set-q\tfa\t10k", "<set-quota><faq><10k>"),
    ("mneme clear fa\t", "<clear><faq>"),
    ("mneme clear --al\t", "<clear><--all>"),
    ("mneme get -n fa\t'q'", "<get><-n><faq><q>"),
    ("mneme put --namespace fa\tq r", "<put><--namespace><faq><q><r>"),
    ("mneme clear sup\t", "<clear><support team>"),
    ("mneme clear z\t", "<clear><z$(touch pwned)`id`;&'\">"),
    ("mneme export --form\tcs\t", "<export><--format><csv>"),
    ("mneme import ca\t", "<import><cache.jsonl>"),
    ("mneme help vac\t", "<help><vacuum>"),
    ("mneme completions z\t", "<completions><zsh>"),
    ("mneme --col\tnev\tstats", "<--color><never><stats>"),
    ("mneme put --response-file=ca\tq", "<put><--response-file=cache.jsonl><q>"),
    ("mneme export -oca\t", "<export><-ocache.jsonl>"),
    ("mneme export -o su\tca\t", "<export><-o><sub dir/cache.csv>"),
    ("mneme import ~/ca\t", "<import><HOME/cache.jsonl>"),
    ("mneme clear 'sup\t", "<clear><support team>"),
    ("mneme clear \"sup\t", "<clear><support team>"),
    ("mneme stats -p PREFIX-tw\t", "<stats><-p><PREFIX-two>"),
    ("mneme -pPREFIX-tw\tstats", "<-pPREFIX-two><stats>"),
    ("mneme -p PREFIX-two clear se\t", "<-p><PREFIX-two><clear><second>"),
    ("X=x mneme -p PREFIX-two clear se\t", "<-p><PREFIX-two><clear><second>"),
    // Commands that only say why they are refused.
    ("mneme sn\t", "<sn>"), ("mneme loa\t", "<loa>"),
  ]

  @Test(
    "completes commands, options, choices, files, live namespaces and key prefixes, with the necessary quotes",
    arguments: Shell.allCases)
  func finishing(shell: Shell) throws {
    let mneme = try cache()
    let session = try Session(shell, url: mneme.url, prefix: mneme.prefix)
    try Mneme(url: mneme.url, prefix: mneme.prefix + "-two").run("put", "-n", "second", "q", "r")
    for (line, words) in Self.lines {
      let (typed, expected) = (filledIn(line), filledIn(words))
      var found = try session.type(typed)
      // A search for prefixes ends after 100 ms, with those that it has found.
      for _ in 0..<20 where found != expected && line.contains("PREFIX-tw") {
        found = try session.type(typed)
      }
      #expect(found == expected, "\(shell): \(typed)")
    }
    func filledIn(_ text: String) -> String {
      text.replacing("PREFIX-", with: mneme.prefix + "-").replacing("HOME", with: session.directory.path)
    }
    #expect(try !session.directory.names().contains("pwned"))
  }

  @Test(
    "works in a shell that finds the script by itself",
    .enabled(
      if: FileManager.default.isReadableFile(atPath: Shell.bashCompletion),
      "bash-completion is not installed; Tests/setup installs it"),
    arguments: Shell.allCases)
  func unaided(shell: Shell) throws {
    let mneme = try cache()
    let session = try Session(shell, url: mneme.url, prefix: mneme.prefix, unaided: true)
    for (line, words) in [
      ("mneme st\t", "<stats>"), ("mneme clear fa\t", "<clear><faq>"),
      ("mneme export --form\tcs\t", "<export><--format><csv>"),
    ] {
      #expect(try session.type(line) == words, "\(shell): \(line)")
    }
  }

  @Test(
    "zsh finds its script where the README's lines put it",
    .enabled(
      if: FileManager.default.fileExists(atPath: "/usr/share/zsh/vendor-completions"),
      "this zsh has no directory for the scripts of others"))
  func zshDirectories() throws {
    let path = try ChildProcess(["zsh", "-fc", "print -l $fpath"]).finish().outputLines
    #expect(path.contains("/usr/share/zsh/vendor-completions"), "\(path)")
  }

  @Test("shows the choices", arguments: Shell.allCases)
  func choosing(shell: Shell) throws {
    let mneme = try cache()
    let session = try Session(shell, url: mneme.url, prefix: mneme.prefix)
    try session.terminal.send("mneme clear \t")
    for name in ["faq", "support"] { try session.terminal.expect(name) }
    try session.terminal.send("\u{15}mneme export --embeddings \t")
    for form in ["array", "base64", "none"] { try session.terminal.expect(form) }
  }

  @Test("shows neither candidates nor an error if the server is not reachable", arguments: Shell.allCases)
  func nothing(shell: Shell) throws {
    // It takes connections and never says a word.
    let deaf = try Listener()
    let urls = [
      "unix:///nowhere/redis.sock", "redis://127.0.0.1:\(deaf.port)", "redis://no-such-host.invalid",
      "nonsense://",
      "redis://:wrong@127.0.0.1:\(deaf.port)/0?db=x",
    ]
    for url in urls {
      let session = try Session(shell, url: url, prefix: "mneme", tries: 1)
      #expect(try session.type("mneme clear fa\t'x'") == "<clear><fax>", "\(url)")
      #expect(
        try session.type("mneme get --password-file nowhere -n fa\tq")
          == "<get><--password-file><nowhere><-n><faq>")
      for word in ["rror", "mneme:", "remediation"] {
        #expect(!session.terminal.output.contains(word), "\(url): \(session.terminal.output)")
      }
    }
  }

  @Test("a completion ends by itself, with any time limits on the line")
  func givingUp() throws {
    // It takes connections and never says a word.
    let deaf = try Listener()
    let words = ["__complete", "zsh", "--connect-timeout", "1h", "--timeout", "1h", "clear", ""]
    let outcome = try Mneme(url: "redis://127.0.0.1:\(deaf.port)", prefix: "mneme").run(words)
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
  }
}
