import Foundation
import TestSupport
import Testing

/// The table in Tests/README.md names the tests and scripts of each promise, and they exist.
@Suite("The table of promises")
struct PromiseTests {
  /// The cells of the table, row by row, without its heading.
  private func rows() throws -> [[String]] {
    let table = try String(contentsOfFile: Repository.top + "/Tests/README.md", encoding: .utf8)
    return table.split(separator: "\n").filter { $0.hasPrefix("|") }.dropFirst(2).map { line in
      line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map {
        $0.trimmingCharacters(in: .whitespaces)
      }
    }
  }

  /// The words between backquotes.
  private func names(in cell: String) -> [String] { cell.matches(of: /`([^`]+)`/).map { String($0.1) } }

  /// The Swift files of the tests, by path.
  private func sources() throws -> [String: String] {
    let paths = try #require(FileManager.default.enumerator(atPath: Repository.top + "/Tests"))
    var sources: [String: String] = [:]
    for case let path as String in paths where path.hasSuffix(".swift") {
      sources[path] = try String(contentsOfFile: "\(Repository.top)/Tests/\(path)", encoding: .utf8)
    }
    return sources
  }

  @Test("each row names existing suites and scripts, and variables that tests read")
  func exist() throws {
    let rows = try rows()
    #expect(rows.count > 15)
    let sources = try sources()
    let places = sources.keys.map { "/" + $0 }
    for row in rows {
      try #require(row.count == 5, "\(row)")
      let tests = names(in: row[1])
      #expect(!tests.isEmpty, "\(row[0]) names no test")
      for name in tests {
        let isScript = FileManager.default.isExecutableFile(atPath: "\(Repository.top)/\(name)")
        let isFolder = places.contains { $0.contains("/\(name)/") }
        let isSuite = sources.values.contains {
          $0.contains("struct \(name) {") || $0.contains("final class \(name) {")
        }
        #expect(isScript || isFolder || isSuite, "there is no \(name)")
      }
      for name in names(in: row[3]) {
        let isRead = sources.values.contains { $0.contains("\"\(name)\"") }
        let isScript = FileManager.default.isExecutableFile(atPath: "\(Repository.top)/\(name)")
        #expect(isRead || isScript, "no test reads \(name)")
      }
      #expect(!row[2].isEmpty || !row[3].isEmpty, "\(row[0]) is never tried")
      #expect(!row[4].isEmpty, "\(row[0]) does not say what was found")
    }
  }
}
