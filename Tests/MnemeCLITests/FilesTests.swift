import Foundation
import TestSupport
import Testing

@testable import MnemeCLI

@Suite("Lines of a file")
struct LineReaderTests {
  private func lines(of text: some Sequence<UInt8>, limit: Int = 1 << 20) throws -> [String] {
    let directory = try TemporaryDirectory()
    var reader = LineReader(try InputFile(try directory.write(text, to: "lines")), limit: limit)
    var lines: [String] = []
    while let line = try reader.next() {
      lines.append(String(decoding: line, as: UTF8.self))
      #expect(reader.number == lines.count)
    }
    #expect(try reader.next() == nil)
    return lines
  }

  @Test(
    "lines end with either line end, and the last may lack it",
    arguments: [
      ("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\nb", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]),
      ("a\n\n\nb", ["a", "", "", "b"]), ("a\rb\n", ["a\rb"]), ("\r\n", [""]), ("a\r", ["a\r"]),
    ])
  func lineEnds(text: String, expected: [String]) throws {
    #expect(try lines(of: text.utf8) == expected)
  }

  @Test("a line longer than a read is returned whole, and so are its neighbours")
  func hugeLine() throws {
    let huge = String(repeating: "x", count: 3_000_001)
    #expect(try lines(of: "a\n\(huge)\r\nb".utf8, limit: 1 << 22) == ["a", huge, "b"])
  }

  @Test("lines that cross the ends of reads are returned whole")
  func straddling() throws {
    let expected = (0..<20_000).map { "line \($0) " + String(repeating: "y", count: $0 % 61) }
    #expect(try lines(of: expected.joined(separator: "\r\n").utf8) == expected)
  }

  @Test("for a line over the limit its beginning is returned, longer than the limit")
  func overTheLimit() throws {
    let first = try #require(try lines(of: String(repeating: "x", count: 500_000).utf8, limit: 1000).first)
    #expect(first.utf8.count > 1000)
  }

  @Test("a missing file is status 66, and so is a directory")
  func missing() throws {
    let error = #expect(throws: FileError.self) { try InputFile("/nonexistent/file") }
    #expect(error?.status == .noInput)
    #expect(error?.message.contains("/nonexistent/file") == true)
    let directory = #expect(throws: FileError.self) { try InputFile("/").read(atMost: 10) }
    #expect(directory?.status == .noInput)
  }

  @Test("a file over the limit is nil")
  func wholeFile() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("12345".utf8, to: "file")
    #expect(try InputFile(path).readAll(limit: 5) == Array("12345".utf8))
    #expect(try InputFile(path).readAll(limit: 4) == nil)
  }
}

@Suite("Files that appear complete")
struct AtomicFileTests {
  private func text(_ directory: TemporaryDirectory, _ name: String) throws -> String {
    String(decoding: try directory.read(name), as: UTF8.self)
  }

  private func permissions(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return try #require(attributes[.posixPermissions] as? Int)
  }

  @Test("the file exists only after it is committed")
  func appears() throws {
    let directory = try TemporaryDirectory()
    let file = try AtomicFile(directory.path("out"))
    try file.write(Array(repeating: UInt8(ascii: "x"), count: 200_000))
    #expect(!(try directory.names().contains("out")))
    try file.commit()
    #expect(try directory.names() == ["out"])
    #expect(try directory.read("out").count == 200_000)
    #expect(file.byteCount == 200_000)
  }

  @Test("a file that is not committed leaves nothing, and the old file stays")
  func givenUp() throws {
    let directory = try TemporaryDirectory()
    try directory.write("old".utf8, to: "out")
    do {
      let file = try AtomicFile(directory.path("out"))
      try file.write("new".utf8)
    }
    #expect(try directory.names() == ["out"])
    #expect(try text(directory, "out") == "old")
  }

  @Test("if a file needs a name, each run uses its own, and removes the files of killed runs")
  func named() throws {
    let directory = try TemporaryDirectory()
    try directory.write("left by a run that was killed".utf8, to: ".out.mneme-0")
    try directory.write("a person's".utf8, to: ".out.mneme-x")
    let first = try AtomicFile(directory.path("out"), isNamed: true)
    #expect(try directory.names() == [".out.mneme-0", ".out.mneme-x"])
    #expect(try directory.read(".out.mneme-0").isEmpty)
    // Another run at the same time.
    let second = try AtomicFile(directory.path("out"), isNamed: true)
    #expect(try directory.names() == [".out.mneme-0", ".out.mneme-1", ".out.mneme-x"])
    try first.write("first".utf8)
    try second.write("second".utf8)
    try second.commit()
    #expect(try text(directory, "out") == "second")
    try first.commit()
    #expect(try text(directory, "out") == "first")
    #expect(try directory.names() == [".out.mneme-x", "out"])
  }

  @Test("a new file is readable by its owner alone; a replaced file keeps its permissions and its group")
  func permissions() throws {
    let directory = try TemporaryDirectory()
    try AtomicFile(directory.path("new")).commit()
    #expect(try permissions(directory.path("new")) == 0o600)
    let old = try directory.write("old".utf8, to: "old")
    for mode in [0o640, 0o444, 0o600] as [mode_t] {
      chmod(old, mode)
      try AtomicFile(old).commit()
      #expect(try permissions(old) == Int(mode))
    }
    // Closed by its owner while the new one was being written.
    chmod(old, 0o644)
    let file = try AtomicFile(old)
    chmod(old, 0o600)
    try file.commit()
    #expect(try permissions(old) == 0o600)
  }

  @Test(
    "the group is kept with its rights, but those of another user's file are not",
    .enabled(if: geteuid() == 0, "only root can give files away"))
  func owners() throws {
    let directory = try TemporaryDirectory()
    let old = try directory.write("old".utf8, to: "old")
    chmod(old, 0o640)
    chown(old, 0, 4711)
    try AtomicFile(old).commit()
    var status = stat()
    #expect(lstat(old, &status) == 0 && status.st_gid == 4711 && status.st_mode & 0o777 == 0o640)
    chmod(old, 0o666)
    chown(old, 65_534, 65_534)
    try AtomicFile(old).commit()
    #expect(lstat(old, &status) == 0 && status.st_uid == 0 && status.st_gid == getegid())
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test("a link is refused: its target is not changed, and a missing target is not made")
  func link() throws {
    let directory = try TemporaryDirectory()
    let target = try directory.write("old".utf8, to: "target")
    for place in [target, directory.path("nothing")] {
      symlink(place, directory.path("link"))
      let error = #expect(throws: FileError.self) { try AtomicFile(directory.path("link")) }
      #expect(error?.status == .cannotCreate && error?.message.contains("symbolic link") == true)
      #expect(try text(directory, "target") == "old")
      #expect(try directory.names() == ["link", "target"])
      unlink(directory.path("link"))
    }
  }

  @Test("a link that appears in the meantime is replaced, not followed")
  func lateLink() throws {
    let directory = try TemporaryDirectory()
    let target = try directory.write("old".utf8, to: "target")
    chmod(target, 0o666)
    let file = try AtomicFile(directory.path("out"))
    try file.write("new".utf8)
    symlink(target, directory.path("out"))
    try file.commit()
    #expect(try text(directory, "target") == "old")
    #expect(try text(directory, "out") == "new")
    #expect(try permissions(directory.path("out")) == 0o600)
  }

  @Test(
    "a pipe or a link of another user is refused, with any target",
    .enabled(if: geteuid() == 0, "only root can give files away"))
  func strangers() throws {
    let directory = try TemporaryDirectory()
    mkfifo(directory.path("pipe"), 0o666)
    symlink("/dev/null", directory.path("link"))
    for name in ["pipe", "link"] { lchown(directory.path(name), 65_534, 65_534) }
    // The pipe has a reader, so that opening it would not wait.
    let reader = open(directory.path("pipe"), O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    for name in ["pipe", "link"] {
      let error = #expect(throws: FileError.self) { try AtomicFile(directory.path(name)) }
      #expect(error?.status == .cannotCreate)
    }
    for name in ["pipe", "link"] { lchown(directory.path(name), 0, 0) }
    for name in ["pipe", "link"] {
      let file = try AtomicFile(directory.path(name))
      try file.write("x".utf8)
      try file.commit()
    }
    #expect(try directory.names() == ["link", "pipe"])
    var byte: UInt8 = 0
    #expect(read(reader, &byte, 1) == 1 && byte == UInt8(ascii: "x"))
  }

  @Test("a device is written to, never replaced")
  func device() throws {
    let file = try AtomicFile("/dev/null")
    try file.write("x".utf8)
    try file.commit()
    var status = stat()
    #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
  }

  @Test("an error is thrown if no file can be made", arguments: ["/nonexistent/out", "/"])
  func uncreatable(path: String) {
    let error = #expect(throws: FileError.self) { try AtomicFile(path) }
    #expect(error?.status == .cannotCreate)
    #expect(error?.cause?.isEmpty == false)
  }

  @Test("a full disk is reported")
  func full() throws {
    let file = try AtomicFile("/dev/full")
    try file.write("x".utf8)
    let error = #expect(throws: FileError.self) { try file.commit() }
    #expect(error?.status == .writeFailed)
  }
}
