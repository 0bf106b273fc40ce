import Foundation
import Synchronization

/// A directory of a test's own, removed with everything in it when the last reference goes, or at the end of
/// the process when a static variable holds it.
package final class TemporaryDirectory: Sendable {
  package let path: String

  /// The path is short, because a Unix socket's may have only 107 bytes.
  package init() throws {
    var template = Array("/tmp/mneme-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
    let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    self.path = path
    _ = TemporaryDirectory.removesAllAtExit
    _ = TemporaryDirectory.standing.withLock { $0.insert(path) }
  }

  deinit {
    _ = TemporaryDirectory.standing.withLock { $0.remove(path) }
    try? FileManager.default.removeItem(atPath: path)
  }

  private static let standing = Mutex<Set<String>>([])
  private static let removesAllAtExit: Void = {
    atexit {
      for path in TemporaryDirectory.standing.withLock({ $0 }) {
        try? FileManager.default.removeItem(atPath: path)
      }
    }
  }()

  /// The path of a file in the directory, whether it is there or not.
  package func path(_ name: String) -> String { path + "/" + name }

  /// Writes a file into the directory.
  /// - Returns: its path.
  @discardableResult
  package func write(_ contents: some Sequence<UInt8>, to name: String) throws -> String {
    try Data(contents).write(to: URL(filePath: path(name)))
    return path(name)
  }

  /// Reads a file of the directory.
  package func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path(name))))
  }

  /// The names of the files in the directory, sorted.
  package func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }
}
