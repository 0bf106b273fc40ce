import Foundation
import TestSupport
import Testing

@testable import MnemeCLI

@Suite("Passwords on the command line")
struct SecretArgumentsTests {
  @Test(
    "each password is found, and nothing else of a word",
    arguments: [
      ("redis://u:secret@h:6379/0", ["secret"]), ("--url=rediss://:secret@h", ["secret"]),
      ("-uredis://u:secret@h", ["secret"]), ("unix://u:secret@/run/redis.sock", ["secret"]),
      ("redis://u:a@b@h", ["a@b"]), ("redis://u:pa/ss?w@h", ["pa/ss?w"]),
      ("redis://h/0?password=secret&username=u", ["secret"]),
      ("redis://h?username=u&password=secret", ["secret"]),
      ("redis://h?pass%77ord=secret&p%61ssword=too", ["secret", "too"]),
      ("redis://h?%70%61%73%73%77%6F%72%64=a=b&x%=1", ["a=b"]),
      ("redis://u:one@h?password=two", ["one", "two"]), ("redis://u:@h", [""]),
      ("redis://h:6379/0", []), ("redis://u@h", []), ("plain", []), ("", []), ("u:p@h", []), ("://", []),
    ])
  func found(word: String, secrets: [String]) {
    let bytes = Array(word.utf8)
    #expect(passwordRanges(in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) } == secrets)
  }

  @Test(
    "no part of a password stays if the places of two passwords overlap, in either order",
    arguments: [
      ("redis://u:p?password=a@secret&x", "redis://u:***&x"),
      ("redis://h?password=secret&x:other@z", "redis://h?password=***&x:***@z"),
    ])
  func overlapping(word: String, shown: String) {
    #expect(TypedPasswords(in: [Array(word.utf8)]).masked(in: "'\(word)'") == "'\(shown)'")
  }

  @Test("a password in a URL is removed from the list of processes as soon as it was read")
  func processList() throws {
    let server = try RedisServer.shared()
    let words = [
      "put", "q", "-u", "\(server.url.replacing("unix://", with: "unix://user:hunter2@"))?password=hunter3",
    ]
    let mneme = try ChildProcess([Mneme.binary] + words, environment: Mneme.plainEnvironment)
    // It waits for its input; the words are erased before.
    var shown = ""
    try eventually("a list of processes without the passwords") {
      shown = try typedWords(of: mneme).joined(separator: " ")
      // The list has nothing while the program is about to replace the one that started it.
      return shown.contains("put") && !shown.contains("hunter")
    }
    #expect(shown.contains("unix://user:*******@"), "\(shown)")
    #expect(shown.hasSuffix("?password=*******"), "\(shown)")
    mneme.signal(SIGKILL)
  }

  @Test("a word without a password is not changed")
  func untouched() throws {
    // It takes a connection and never says a word.
    let deaf = try Listener()
    let words = ["stats", "-u", "redis://127.0.0.1:\(deaf.port)/0", "--connect-timeout", "1h"]
    let mneme = try ChildProcess([Mneme.binary] + words, environment: Mneme.plainEnvironment)
    // A command that connects has been over its words.
    let connection = try deaf.accept()
    #expect(try typedWords(of: mneme).dropFirst() == words[...])
    mneme.signal(SIGKILL)
    withExtendedLifetime(connection) {}
  }

  /// The words of a command in the list of processes.
  private func typedWords(of command: TestSupport.ChildProcess) throws -> [String] {
    try Data(contentsOf: URL(filePath: "/proc/\(command.pid)/cmdline"))
      .split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }
}

@Suite("Password files")
struct PasswordFileTests {
  private func read(_ text: String, mode: mode_t = 0o600) throws -> (password: String, warnings: [String]) {
    let directory = try TemporaryDirectory()
    let path = try directory.write(text.utf8, to: "password")
    chmod(path, mode)
    var warnings: [String] = []
    let password = try readPassword(from: path) { warnings.append($0) }
    return (password, warnings)
  }

  @Test("the password is the first line, without its end", arguments: ["p w", "p w\n", "p w\r\nmore\n"])
  func firstLine(text: String) throws {
    #expect(try read(text).password == "p w")
  }

  @Test(
    "a file that others can read gives a warning, and is used",
    arguments: [(0o600, 0), (0o400, 0), (0o620, 0), (0o640, 1), (0o604, 1), (0o644, 1)] as [(mode_t, Int)])
  func permissions(mode: mode_t, count: Int) throws {
    let (password, warnings) = try read("p", mode: mode)
    #expect(password == "p")
    #expect(warnings.count == count && warnings.allSatisfy { $0.contains("chmod 600") })
  }

  @Test("a file without a password is refused", arguments: ["", "\n", "\r\n", "\nsecret"])
  func empty(text: String) {
    let error = #expect(throws: FileError.self) { try read(text) }
    #expect(error?.status == .noInput)
  }

  @Test("the warning reaches standard error, also of a quiet command, and never holds the password")
  func warning() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("hunter2\n".utf8, to: "password")
    chmod(path, 0o644)
    let server = try RedisServer(configuration: ["user app on >hunter2 ~* &* +@all"])
    let mneme = Mneme(url: server.url.replacing("unix://", with: "unix://app@"), prefix: uniquePrefix())
    let loud = try mneme.run(["-v", "--password-file", path, "put", "q", "r"]).expecting(0)
    #expect(loud.errorText.contains("mneme: warning: the password file '\(path)' can be read by other users"))
    #expect(loud.errorText.contains("password from the file"))
    #expect(!loud.errorText.contains("hunter2"))
    // Cron and systemd run quiet commands, and nobody else would hear of it.
    let quiet = try mneme.run(["-q", "--password-file", path, "get", "q"]).expecting(0)
    #expect(quiet.errorLines.count == 1 && quiet.errorText.contains("can be read by other users"), "\(quiet)")
  }
}
