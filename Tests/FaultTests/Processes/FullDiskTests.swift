import Foundation
import Glibc
import TestSupport
import Testing

/// A disk that fills up under `export`.
@Suite("Full disks")
struct FullDiskTests {
  @Test("a full file system is status 74, and no incomplete file is left", .needs(program: "mount"))
  func fileSystem() throws {
    let fixture = try CacheFixture("full")
    try fixture.mneme.run(["import"], input: importLines(0..<500, by: "line")).expecting(0)
    let directory = try TemporaryDirectory()
    let mount = try ChildProcess(
      ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory.path]
    ).finish()
    guard mount.status == 0 else {
      try Test.cancel("no file system can be mounted here: \(mount.errorText)")
    }
    defer { _ = try? ChildProcess(["umount", directory.path]).finish() }
    try expectNoHalfFile(of: fixture, in: directory) {
      try $0.mneme.start(["export", "-o", directory.path("out")])
    }
  }

  @Test("a limit on the size of files is status 74 too, and not a signal")
  func limit() throws {
    let fixture = try CacheFixture("limit")
    try fixture.mneme.run(["import"], input: importLines(0..<500, by: "line")).expecting(0)
    let directory = try TemporaryDirectory()
    let outcome = try fixture.mneme.shell("ulimit -f 8; mneme export -o '\(directory.path("out"))'")
    #expect(outcome.status == 74, "\(outcome)")
    #expect(try directory.names() == [], "\(outcome)")
  }

  private func expectNoHalfFile(
    of fixture: CacheFixture, in directory: TemporaryDirectory,
    _ start: (CacheFixture) throws -> ChildProcess
  ) throws {
    try directory.write("an earlier export\n".utf8, to: "out")
    let outcome = try start(fixture).finish()
    #expect(outcome.status == 74, "\(outcome)")
    #expect(try directory.names() == ["out"], "\(outcome)")
    #expect(try directory.read("out") == Array("an earlier export\n".utf8))
  }
}
