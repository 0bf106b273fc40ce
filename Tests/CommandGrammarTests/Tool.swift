import Foundation
import TestSupport

/// A program of this machine, run for a test.
struct Tool {
  let path: String

  /// The program of that name on the search path, if it is installed.
  init?(_ name: String) {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    guard let path = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile)
    else {
      return nil
    }
    self.path = path
  }

  static func isInstalled(_ name: String) -> Bool { Tool(name) != nil }

  /// Runs it to its end, and gives what it wrote to standard output, and after it to standard error.
  func output(_ arguments: [String], in folder: URL? = nil, environment: [String: String] = [:]) throws
    -> String
  {
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let outcome = try ChildProcess([path] + arguments, environment: variables, directory: folder?.path)
      .finish()
    return outcome.outputText + outcome.errorText
  }
}

/// A directory that is removed after the test.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "grammar-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Writes a file, with the directories above it.
  @discardableResult
  func write(_ text: String, to name: String, isExecutable: Bool = false) throws -> String {
    let file = url.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    if isExecutable {
      // A file that is open for writing cannot be run, and a child that another test has just started may have
      // inherited the descriptor. So a process without children writes it.
      let source = file.appendingPathExtension("source")
      try FileManager.default.moveItem(at: file, to: source)
      _ = try Tool("install")?.output(["-m", "755", source.path, file.path])
    }
    return file.path
  }
}
