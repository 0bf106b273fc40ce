import Glibc
import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

extension RedisClient {
  /// A client with time limits for tests.
  convenience init(
    _ url: String, connect: Duration = .seconds(10), command: Duration = .seconds(10),
    _ change: (inout ConnectionOptions) -> Void = { _ in }
  ) throws {
    var options = ConnectionOptions()
    options.connectTimeout = connect
    options.commandTimeout = command
    change(&options)
    self.init(url: try RedisURL(url), options: options)
  }

  /// Sends one command that reads.
  func ask<each Argument: RedisArgument>(_ name: StaticString, _ arguments: repeat each Argument) throws
    -> Reply
  {
    var commands = Pipeline()
    commands.append(name, repeat each arguments)
    return try read(commands)[0]
  }

  /// Sends one command that writes.
  @discardableResult
  func tell<each Argument: RedisArgument>(_ name: StaticString, _ arguments: repeat each Argument) throws
    -> Reply
  {
    var commands = Pipeline()
    commands.append(name, repeat each arguments)
    return try write(commands)[0]
  }
}

/// Expects a `StoreBackendError` for `reason` whose message, remediation or causes hold all of `words`.
func expectFailure(
  _ reason: StoreBackendError.Reason, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  let error = #expect(throws: StoreBackendError.self, sourceLocation: sourceLocation, performing: body)
  guard let error else { return }
  let text = ([error.message] + error.causes + [error.remediation]).joined(separator: "\n")
  #expect(error.reason == reason, "\(text)", sourceLocation: sourceLocation)
  for word in words { #expect(text.contains(word), sourceLocation: sourceLocation) }
}

/// A TCP port of 127.0.0.1 on which nobody listens.
func freePort() throws -> Int {
  let listener = try Listener()
  return listener.port
}

/// A socket that listens on 127.0.0.1 until it goes.
final class Listener: Sendable {
  let descriptor: Int32
  let port: Int

  /// - Parameter backlog: how many connections the kernel completes that nobody has accepted.
  init(backlog: Int32 = 16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        bind(descriptor, name, length) == 0 && listen(descriptor, backlog) == 0
          && getsockname(descriptor, name, &length) == 0
      }
    }
    guard result else { throw SystemError.last }
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  deinit { close(descriptor) }
}
