import Foundation

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

  /// Runs it to its end, and gives what it wrote to either stream.
  func output(_ arguments: [String], in folder: URL? = nil, environment: [String: String] = [:]) throws
    -> String
  {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let pipe = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
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
