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

  @Test("a line longer than any piece that is read comes in one, with its neighbours whole")
  func hugeLine() throws {
    let huge = String(repeating: "x", count: 3_000_001)
    #expect(try lines(of: "a\n\(huge)\r\nb".utf8, limit: 1 << 22) == ["a", huge, "b"])
  }

  @Test("lines that straddle the pieces that are read lose nothing")
  func straddling() throws {
    let expected = (0..<20_000).map { "line \($0) " + String(repeating: "y", count: $0 % 61) }
    #expect(try lines(of: expected.joined(separator: "\r\n").utf8) == expected)
  }

  @Test("a line over the limit is handed out in part, longer than the limit, so that it can be told")
  func overTheLimit() throws {
    let first = try #require(try lines(of: String(repeating: "x", count: 500_000).utf8, limit: 1000).first)
    #expect(first.utf8.count > 1000)
  }

  @Test("a file that is not there is status 66, and a directory too")
  func missing() throws {
    let error = #expect(throws: FileError.self) { try InputFile("/nonexistent/file") }
    #expect(error?.status == .noInput)
    #expect(error?.message.contains("/nonexistent/file") == true)
    let directory = #expect(throws: FileError.self) { try InputFile("/").read(atMost: 10) }
    #expect(directory?.status == .noInput)
  }

  @Test("what is over the limit of a whole file is nil")
  func wholeFile() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("12345".utf8, to: "file")
    #expect(try InputFile(path).readAll(limit: 5) == Array("12345".utf8))
    #expect(try InputFile(path).readAll(limit: 4) == nil)
  }
}

@Suite("Files written whole")
struct AtomicFileTests {
  private func text(_ directory: TemporaryDirectory, _ name: String) throws -> String {
    String(decoding: try directory.read(name), as: UTF8.self)
  }

  private func permissions(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return try #require(attributes[.posixPermissions] as? Int)
  }

  @Test("the file is there when it is committed, and not before")
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

  @Test("one that is given up leaves nothing behind, and the old file as it was")
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

  @Test("a file that is replaced keeps its permissions; a new one has the usual ones")
  func permissions() throws {
    let directory = try TemporaryDirectory()
    let old = try directory.write("old".utf8, to: "old")
    chmod(old, 0o640)
    try AtomicFile(old).commit()
    #expect(try permissions(old) == 0o640)
    let usual = try directory.write("".utf8, to: "usual")
    try AtomicFile(directory.path("new")).commit()
    #expect(try permissions(directory.path("new")) == permissions(usual))
  }

  @Test("a link stays a link, and leads to the new text")
  func link() throws {
    let directory = try TemporaryDirectory()
    let target = try directory.write("old".utf8, to: "target")
    symlink(target, directory.path("link"))
    let file = try AtomicFile(directory.path("link"))
    try file.write("new".utf8)
    try file.commit()
    #expect(try text(directory, "target") == "new")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: directory.path("link")) == target)
    #expect(try directory.names() == ["link", "target"])
  }

  @Test("a device is written to, never replaced")
  func device() throws {
    let file = try AtomicFile("/dev/null")
    try file.write("x".utf8)
    try file.commit()
    var status = stat()
    #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
  }

  @Test("where no file can be made it says so", arguments: ["/nonexistent/out", "/"])
  func uncreatable(path: String) {
    let error = #expect(throws: FileError.self) { try AtomicFile(path) }
    #expect(error?.status == .cannotCreate)
    #expect(error?.cause?.isEmpty == false)
  }

  @Test("a disk that is full is said, not passed over")
  func full() throws {
    let file = try AtomicFile("/dev/full")
    try file.write("x".utf8)
    let error = #expect(throws: FileError.self) { try file.commit() }
    #expect(error?.status == .writeFailed)
  }
}
