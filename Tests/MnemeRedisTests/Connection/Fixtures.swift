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

  /// Sends one command that writes, as a transaction.
  func tellInTransaction<each Argument: RedisArgument>(
    _ name: StaticString, _ arguments: repeat each Argument
  ) throws {
    var commands = Pipeline()
    commands.append(name, repeat each arguments)
    try transaction { [commands] transaction -> Transaction.Outcome<Void> in
      try transaction.commit(commands) == nil ? .retry : .done(())
    }
  }
}

/// Expects a `StoreBackendError` for `reason` whose message, remedy, object or causes hold all of `words`.
func expectFailure(
  _ reason: StoreBackendError.Reason, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  let error = #expect(throws: StoreBackendError.self, sourceLocation: sourceLocation, performing: body)
  guard let error else { return }
  let text =
    ([error.message] + error.causes + [error.remedy.description, error.object.map { "\($0)" } ?? ""]).joined(
      separator: "\n")
  #expect(error.reason == reason, "\(text)", sourceLocation: sourceLocation)
  for word in words { #expect(text.contains(word), sourceLocation: sourceLocation) }
}
