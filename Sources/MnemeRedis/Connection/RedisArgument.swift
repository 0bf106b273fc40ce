/// An argument of a command: anything with bytes.
protocol RedisArgument {
  /// Calls `body` once with the bytes to send; they are not valid after it returns.
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void)
}

extension String: RedisArgument {
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    var copy = self
    copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }
}

extension Substring: RedisArgument {
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    var copy = self
    copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }
}

extension StaticString: RedisArgument {
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUTF8Buffer { body(UnsafeRawBufferPointer($0)) }
  }
}

extension [UInt8]: RedisArgument {
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) { withUnsafeBytes(body) }
}

extension ArraySlice<UInt8>: RedisArgument {
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) { withUnsafeBytes(body) }
}

extension Int: RedisArgument {
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) { Int64(self).withArgumentBytes(body) }
}

extension Int64: RedisArgument {
  /// Passes the decimal digits, written backwards on the stack: at most 19 and a sign.
  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var first = 20
      var rest = magnitude
      repeat {
        first -= 1
        digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      } while rest > 0
      if self < 0 {
        first -= 1
        digits[first] = UInt8(ascii: "-")
      }
      body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(digits)[first...]))
    }
  }
}
