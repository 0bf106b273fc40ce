import Mneme
import Synchronization

/// A connection to a Redis, made when it is first needed and made again when it was lost.
///
/// Several stores may share one: each command, pipeline or transaction has the connection to itself while it
/// lasts, and other threads wait. A client that was handed to a store is closed by whoever made it.
public final class RedisClient: @unchecked Sendable {
  private let lock = Mutex(())
  /// Touched under the lock alone, which is what makes the class safe to share; but for `others`, which is safe itself.
  private let session: Session

  /// Does not connect yet.
  public init(url: RedisURL, options: ConnectionOptions = ConnectionOptions()) {
    session = Session(url: url, options: options)
  }

  /// Ends the use of the client: every later use throws `CacheClosedError`. Waits for a command under way.
  public func close() { locked { session.close() } }

  /// The server's address with `***` for the password, as it stands in messages.
  public var address: String { locked { session.address } }

  /// A connection is there and the server has not hung up on it. No round trip.
  var isConnectionAlive: Bool { locked { session.connection?.isAlive ?? false } }

  /// What the server said about itself when it was last connected to. No round trip.
  public var role: ServerRole { locked { session.role } }

  /// Others use the server meanwhile, or may: until it has said twice how many commands it has carried out, and where it
  /// does not say. No round trip; the question travels with what is sent later, if that is thousands of commands.
  /// Waits for nothing that is under way.
  public var othersAreActive: Bool { session.others.areActive }

  /// What was exchanged so far, on all its connections. No round trip.
  public var traffic: Traffic { locked { session.traffic } }

  /// Says which keys the client is used for: those under a prefix. No round trip.
  ///
  /// Should the server turn out to be a cluster, the client connects to the node that has these keys; without a
  /// hash tag in the prefix (`KeyHashTag`) every use then throws `StoreBackendError` with `needsHashTag`, before
  /// anything is written.
  /// Of several prefixes in different slots, `SCAN` sees the node of the first: they want clients of their own.
  /// - Parameter key: any one of the keys, which need not exist.
  func serve(keyPrefix: String, key: some RedisArgument) {
    var probe = Pipeline()
    probe.append("EXISTS", key)
    locked { session.keyspaces.append(Keyspace(prefix: keyPrefix, probe: probe)) }
  }

  /// Sends commands that only read. One round trip; on a new connection its greeting goes along.
  ///
  /// Commands lost with their connection are sent once more on a new one.
  /// - Parameter tolerating: leaves the server's errors in their places among the replies. Otherwise the first
  ///   one is thrown.
  /// - Throws: `StoreBackendError`, `CorruptCacheError` for a key of another type, `CacheClosedError`.
  func read(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    try locked { try session.read(commands, tolerating: tolerating) }
  }

  /// Sends commands that write, once. One round trip; on a new connection one more, because the greeting's
  /// answers are awaited first.
  /// - Parameter tolerating: leaves the server's errors in their places among the replies. Otherwise the first
  ///   one is thrown, after all commands have been run.
  /// - Throws: as `read` does. After `StoreBackendError` with `connectionLost` or `timedOut` the commands may have
  ///   been run, or some of them, where the message says so.
  func write(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    try locked { try session.write(commands, tolerating: tolerating) }
  }

  /// Runs `body` on one connection, as often as it takes for a transaction to rest on what was read.
  ///
  /// The body reads and watches with `Transaction.read`, commits with `Transaction.commit`, and returns `.retry`
  /// where a watched key had changed. It must not use the client itself. It is run anew, too, when the connection
  /// was lost before the transaction was sent.
  /// - Throws: what the body throws; `StoreBackendError` with `contention` after `Session.attemptLimit` retries.
  func transaction<R>(_ body: (borrowing Transaction) throws -> Transaction.Outcome<R>) throws -> R {
    try locked { try session.transaction(body) }
  }

  /// The error of a reply that was tolerated, as it would have been thrown. No round trip, but for
  /// `OOM` and `READONLY`, about which the server is asked for more.
  func translate(_ error: ServerError, command: String, key: String?) -> any MnemeError {
    locked { session.translate(error, command: CommandText(name: command, key: key)) }
  }

  /// What the client's own parts in other files do, under the lock.
  func withSession<R, Failure: Error>(_ body: (Session) throws(Failure) -> R) throws(Failure) -> R {
    try locked { () throws(Failure) in try body(session) }
  }

  private func locked<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
    // The result takes a way around the lock's own, which would have to let it leave for another thread.
    var result: R?
    try lock.withLock { _ throws(Failure) in result = try body() }
    return result!
  }
}
