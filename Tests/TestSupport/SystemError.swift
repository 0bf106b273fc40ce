import Glibc

/// A system call that failed: which, and what the system said.
package struct SystemError: Error, CustomStringConvertible {
  package let call: String
  package let code: Int32

  package init(_ call: String, code: Int32 = errno) {
    self.call = call
    self.code = code
  }

  package var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// Passes on what a system call returned, or throws when that is negative.
@discardableResult
func checked<Result: SignedInteger>(_ call: String, _ result: Result) throws -> Result {
  guard result >= 0 else { throw SystemError(call) }
  return result
}
