import Foundation
import Synchronization
import TestSupport
import Testing

/// The Python library `mneme-cache` at work in a process of its own, for which tests write snippets of Python: see
/// `Tests/Interop/peer.py` for what these find there.
final class PythonPeer: Sendable {
  /// One for all tests of this process. Its caches live from snippet to snippet, in variables of their prefix.
  static var shared: PythonPeer { get throws { try common.get() } }
  private static let common = Result { try PythonPeer() }

  private let process: Mutex<ChildProcess>

  init() throws {
    process = try Mutex(PythonPeer.start("peer.py"))
  }

  /// Starts a script of `Tests/Interop`.
  static func start(_ script: String, _ arguments: String...) throws -> ChildProcess {
    // One thread for NumPy: the machine's processors are wanted by others.
    let environment = Mneme.plainEnvironment.merging(["OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"]) {
      $1
    }
    return try ChildProcess(
      [interpreter, Repository.top + "/Tests/Interop/" + script] + arguments, environment: environment)
  }

  /// Runs a snippet with the variables of a prefix.
  /// - Returns: the value of its last line, where that is an expression.
  /// - Throws: `PythonError` for an exception.
  @discardableResult
  func run(_ code: String, url: String, prefix: String) throws -> JSONValue {
    let request = ["url": url, "prefix": prefix, "code": code]
    let line = try JSONSerialization.data(withJSONObject: request) + Data("\n".utf8)
    let answer = try process.withLock { process in
      try process.write(line)
      return try process.readLine(within: .seconds(300))
    }
    guard let answer else { throw PythonError(description: "Python ended in the middle of\n\(code)") }
    let object = try JSONValue(answer)
    if let error = object["error"].string { throw PythonError(description: error) }
    return object["value"]
  }

  static let interpreter = Repository.top + "/.build/interop/bin/python"
}

/// An exception in a snippet, as its last line tells it: `KeyError: 'namespace'`.
struct PythonError: Error, CustomStringConvertible {
  let description: String
}

extension Trait where Self == ConditionTrait {
  /// Skips the test where the Python library is not installed.
  static var needsPythonPeer: Self {
    .enabled(
      if: FileManager.default.isExecutableFile(atPath: PythonPeer.interpreter),
      "no mneme-cache 1.0.1 from PyPI in .build/interop; Tests/run puts it there where PyPI can be reached")
  }
}

extension CacheFixture {
  /// Runs a snippet of Python with the variables of this prefix; see `PythonPeer`.
  @discardableResult
  func python(_ code: String) throws -> JSONValue {
    try PythonPeer.shared.run(code, url: mneme.url, prefix: prefix)
  }
}
