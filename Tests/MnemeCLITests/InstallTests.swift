import Foundation
import TestSupport
import Testing

/// The lines of the README's section on installing, run unchanged but with another root directory.
@Suite("Installing")
struct InstallTests {
  private let readme = Result { try String(contentsOfFile: Repository.top + "/README.md", encoding: .utf8) }

  /// The lines of code of the section, from `swift build` to the last `rm`.
  private func lines() throws -> [String] {
    let section = try #require(
      readme.get().components(separatedBy: "\n## ").first { $0.hasPrefix("Install\n") })
    return section.split(separator: "\n").filter { $0.hasPrefix("    ") }.map { String($0.dropFirst(4)) }
  }

  /// Runs lines of the README in the top directory, where `/usr` is the root's and root's rights are not needed.
  private func run(_ lines: [String], in root: TemporaryDirectory) throws {
    let script = lines.joined(separator: "\n")
      .replacing("sudo ", with: "").replacing(" /usr/", with: " '\(root.path)'/usr/")
      .replacing(" .build/release/mneme ", with: " '\(Mneme.binary)' ")
    try ChildProcess(
      ["bash", "-euc", "umask 022\n\(script)"], environment: Mneme.plainEnvironment, directory: Repository.top
    ).finish().expecting(0)
  }

  private func files(in root: TemporaryDirectory) throws -> Set<String> {
    let found = try ChildProcess(["find", root.path, "-type", "f", "-printf", "%m %P\n"]).finish().outputLines
    return Set(found)
  }

  @Test("the lines put binary, manual pages and completions where Debian searches, and remove them again")
  func installing() throws {
    let lines = try lines()
    #expect(
      lines.first == "swift build -c release --static-swift-stdlib --disable-local-rpath --product mneme")
    let removal = try #require(lines.firstIndex { $0.hasPrefix("sudo rm") })
    let root = try TemporaryDirectory()
    // The directories that a Debian system has.
    for place in ["local/bin", "share/bash-completion/completions", "share/zsh", "share/fish"] {
      try FileManager.default.createDirectory(
        atPath: "\(root.path)/usr/\(place)", withIntermediateDirectories: true)
    }

    try run(Array(lines[1..<removal]), in: root)
    let pages = try FileManager.default.contentsOfDirectory(atPath: Repository.top + "/man")
    let expected =
      [
        "755 usr/local/bin/mneme", "644 usr/share/bash-completion/completions/mneme",
        "644 usr/share/zsh/vendor-completions/_mneme", "644 usr/share/fish/vendor_completions.d/mneme.fish",
      ] + pages.map { "644 usr/local/share/man/man\($0.suffix(1))/\($0)" }
    #expect(try files(in: root) == Set(expected))
    let version = try ChildProcess([root.path + "/usr/local/bin/mneme", "--version"]).finish()
    #expect(version.outputText.hasPrefix("mneme "))

    try run(Array(lines[removal...]), in: root)
    #expect(try files(in: root).isEmpty)
  }

  @Test(
    "the shells find the completions where they are put",
    .needs(program: "zsh"), .needs(program: "fish"))
  func searchPaths() throws {
    func output(_ words: [String]) throws -> String {
      try ChildProcess(words, environment: Mneme.plainEnvironment).finish().expecting(0).outputText
    }
    let zsh = try output(["zsh", "-c", "print -l $fpath"])
    #expect(zsh.contains("/usr/share/zsh/vendor-completions\n"))
    let fish = try output(["fish", "-c", "string join \\n $fish_complete_path"])
    #expect(fish.contains("/usr/share/fish/vendor_completions.d\n"))
  }
}
