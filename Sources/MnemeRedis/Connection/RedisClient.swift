import Mneme
import Synchronization

/// A connection to a Redis server. It is made when it is first needed, and again after it was lost.
///
/// Safe to use from several threads: during a read, write or transaction other threads wait. A client that was passed
/// to a store is closed by its owner.
public final class RedisClient: @unchecked Sendable {
  private let lock = Mutex(())

  // The properties below are used under the lock only. That makes the class safe to share.

  let connector: Connector
  let options: ConnectionOptions
  /// The server to which the client is, or will be, connected.
  var endpoint: Endpoint
  var connection: Connection?
  /// The role that the server reported when it was last connected to.
  private var knownRole = ServerRole()
  /// The keys that the client is used for.
  var keyspaces: [Keyspace] = []
  /// The nodes that are known, once the server has turned out to be a cluster's.
  var cluster: ClusterNodes?
  /// The connection for commands that a node has redirected with `ASK`.
  var detour: Connection?
  /// The memory that the server has, as the last refusal shows.
  var room = Room.enough
  private var isClosed = false

  /// Makes a client. It does not connect yet.
  public init(url: RedisURL, options: ConnectionOptions = ConnectionOptions()) {
    connector = Connector(url: url, options: options)
    self.options = options
    endpoint = url.endpoint
  }

  /// Makes another client of the same server for the same keys, with its own connection. It does not connect yet.
  func another() -> RedisClient {
    locked {
      let other = RedisClient(url: connector.url, options: options)
      (other.endpoint, other.keyspaces, other.cluster) = (endpoint, keyspaces, cluster)
      return other
    }
  }

  // MARK: For every thread

  /// Ends the use of the client: every later use throws `CacheClosedError`. Waits for a command under way.
  public func close() {
    locked {
      isClosed = true
      disconnect()
    }
  }

  /// The server's address with `***` for the password, for messages.
  public var address: String { locked { description } }

  /// The role that the server reported when it was last connected to. No round trip.
  package var role: ServerRole { locked { knownRole } }

  /// The traffic on all of its connections. No round trip.
  package var traffic: Traffic { locked { connector.meter.traffic } }

  /// Adds the traffic of another client that has worked for this one.
  func count(_ traffic: Traffic) { locked { connector.meter.traffic += traffic } }

  /// The shortest time that an exchange has taken so far; nil before the first. No round trip.
  var shortestRoundTrip: Duration? { locked { connector.meter.shortestRoundTrip } }

  /// Records that the server has accepted a command that may need memory. No round trip.
  func noteRoom() { locked { room = .enough } }

  /// Sets the keys for which the client is used: those under a prefix. No round trip.
  ///
  /// If the server is part of a cluster, the client connects to the node that has these keys. If the prefix has no
  /// hash tag (`KeyHashTag`), every use then throws `StoreBackendError` with `needsHashTag` before anything is
  /// written. If several prefixes are in different slots, `SCAN` is sent to the node of the first, so use one client
  /// for each prefix.
  /// - Parameter key: any one of the keys, which need not exist.
  func serve(keyPrefix: String, key: some RedisArgument) {
    var probe = Pipeline()
    probe.append("EXISTS", key)
    locked { keyspaces.append(Keyspace(prefix: keyPrefix, probe: probe)) }
  }

  /// Sends commands that only read. One round trip. On a new connection the greeting is sent with them.
  ///
  /// Commands lost with their connection are sent once more on a new one.
  /// - Parameter tolerating: leaves the server's errors in their places among the replies. Otherwise the first
  ///   one is thrown.
  /// - Throws: `StoreBackendError`, `CorruptCacheError` for a key of another type, `CacheClosedError`.
  func read(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    try send(commands, tolerating: tolerating, by: exchangeToRead) { $0.stage >= .greeting }
  }

  /// Sends commands that write. They are never sent twice. One round trip, and one more on a new connection, because
  /// the replies to the greeting are awaited first.
  /// - Parameter tolerating: leaves the server's errors in their places among the replies. Otherwise the first
  ///   one is thrown, after all commands have been run.
  /// - Throws: the errors of `read`. After `StoreBackendError` with `connectionLost` or `timedOut`, all or some of the
  ///   commands may have been run if the message says so.
  func write(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    try send(commands, tolerating: tolerating, by: exchangeToWrite) { !$0.mayHaveRun }
  }

  /// - Parameter mayRepeat: whether to send them once more on a new connection, after theirs was lost.
  private func send(
    _ commands: Pipeline, tolerating: Bool, by exchange: (Pipeline) throws -> Replies,
    mayRepeat: (ConnectionFailure) -> Bool
  ) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    try WorkCancellation.check()
    return try locked {
      try translatingFailures {
        let replies: Replies
        do {
          replies = try exchange(commands)
        } catch let failure as ConnectionFailure where failure.isLoss && mayRepeat(failure) {
          try reconnect(after: failure)
          replies = try exchange(commands)
        }
        return try check(replies, of: commands, tolerating: tolerating)
      }
    }
  }

  /// Converts a tolerated error reply to the error that would have been thrown. No round trip, except for `OOM` and
  /// `READONLY`, for which details are read.
  func translate(_ error: ServerError, command: String, key: String?) -> any MnemeError {
    locked { translated(error, of: CommandText(name: command, key: key)) }
  }

  /// Runs `body` with the connection to itself.
  func locked<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
    // The result is passed around the lock's own result, which would have to be sendable.
    var result: R?
    try lock.withLock { _ throws(Failure) in result = try body() }
    return result!
  }
}

// MARK: - The connection

// From here on under the lock.
extension RedisClient {
  var description: String { connector.url.description(at: endpoint) }

  func disconnect() {
    connection = nil
    detour = nil
  }

  /// Returns a connection that was alive a moment ago, or a new one. Its greeting may not have been sent yet.
  func connected() throws -> Connection {
    guard !isClosed else {
      throw CacheClosedError(
        "The connection to \(description) is closed.", about: .server(description), remedy: .reopen)
    }
    if let connection, connection.isAlive { return connection }
    disconnect()
    let new: Connection
    if let sentinels = connector.url.sentinels {
      let primary = try findPrimary(sentinels)
      connection = primary
      return primary
    }
    do throws(ConnectionFailure) {
      new = try connector.connect(to: endpoint)
    } catch {
      guard cluster != nil else { throw error }
      new = try findOwner(after: error)
    }
    connection = new
    return new
  }

  /// Gives up a lost connection before the next attempt. On a cluster the node may be ending, accept a connection and
  /// close it a moment later, so the other nodes are asked too which node has the keys.
  func reconnect(after failure: ConnectionFailure) throws {
    disconnect()
    if cluster != nil { connection = try findOwner(after: failure) }
  }

  /// Sends commands, on a new connection with its greeting in the same write.
  private func exchangeToRead(_ commands: Pipeline) throws -> Replies {
    let connection = try connected()
    let replies = try connection.exchange(commands)
    if try settle(on: connection) { return try exchangeToRead(commands) }
    return try follow(replies, of: commands, again: .allCommands)
  }

  /// Sends commands after the replies to the greeting of a new connection.
  private func exchangeToWrite(_ commands: Pipeline) throws -> Replies {
    let connection = try connected()
    try connection.greet()
    if try settle(on: connection) { return try exchangeToWrite(commands) }
    let replies = try notingWhetherRun(commands, behindOthers: false) { try connection.exchange(commands) }
    return try follow(replies, of: commands, again: .redirectedCommands)
  }

  /// Adds to a failure whether writing commands may have been run nevertheless.
  /// - Parameter behindOthers: whether commands of the same pipeline have been run already.
  func notingWhetherRun<R>(_ commands: Pipeline, behindOthers: Bool, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch var failure as ConnectionFailure {
      failure.mayHaveRun = behindOthers || failure.stage == .exchange && failure.sent.mayHaveRun(commands)
      throw failure
    }
  }

  /// Records the role that the server has reported.
  /// - Returns: whether another node has the keys, so that the commands must be sent again.
  func settle(on connection: Connection) throws -> Bool {
    knownRole = connection.role
    if knownRole.isSentinel { try refuseSentinel(connection) }
    guard knownRole.isCluster == true else { return false }
    try requireHashTags()
    return cluster == nil ? try locateOwner(from: connection) : false
  }

  /// Throws the first error among the replies, unless those are tolerated.
  func check(_ replies: Replies, of commands: Pipeline, tolerating: Bool) throws -> Replies {
    if tolerating { return replies }
    for (index, reply) in replies.enumerated() {
      if let error = reply.error { throw translated(error, of: commands.command(at: index)) }
    }
    return replies
  }

  /// Converts failures of the connection to errors for the user.
  func translatingFailures<R>(_ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch let failure as ConnectionFailure {
      disconnect()
      if failure.isStopped { throw WaitStopped(mayHaveRun: failure.mayHaveRun) }
      if failure.isLoss, failure.stage >= .greeting, failure.serverSaid == nil, serverIsUp {
        throw failure.translatedAsCut(server: description)
      }
      throw failure.translated(server: description, url: connector.url)
    } catch let refusal as GreetingRefused {
      disconnect()
      throw refusal.translated(server: description, url: connector.url)
    }
  }
}

extension ConnectionFailure.Sent {
  /// Whether the server may have received a complete command.
  func mayHaveRun(_ commands: Pipeline) -> Bool {
    switch self {
    case .nothing: false
    case .partly: commands.count > 1
    case .all: true
    }
  }
}
