import Glibc

/// An error of the operating system, with its message.
struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
  let code: Int32

  init(code: Int32) { self.code = code }

  /// The error of the last system call. Read it directly after the call.
  static var last: SystemError { SystemError(code: errno) }

  /// A stop request has ended the wait.
  static let stopped = SystemError(code: ECANCELED)

  var description: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      buffer.initialize(repeating: 0)
      guard strerror_r(code, buffer.baseAddress!, buffer.count) == 0 else { return "system error \(code)" }
      return String(cString: buffer.baseAddress!)
    }
  }
}

/// An error of the resolver, with its message.
struct ResolverError: Error, Sendable, CustomStringConvertible {
  let description: String

  init(code: Int32) { description = String(cString: gai_strerror(code)) }
}
