import Mneme
import Synchronization

/// A connection to a Redis, made when it is first needed and made again when it was lost.
///
/// Safe to use from several threads: each read, write or transaction has the connection to itself while it lasts, and
/// other threads wait. A client that was passed to a store is closed by its owner.
public final class RedisClient: @unchecked Sendable {
  private let lock = Mutex(())

  // The properties below are used under the lock only. That makes the class safe to share.

  let connector: Connector
  let options: ConnectionOptions
  /// The server that is connected to, or to be connected to.
  var endpoint: Endpoint
  var connection: Connection?
  /// The role that the server reported when it was last connected to.
  private var knownRole = ServerRole()
  /// The keys that the client is used for.
  var keyspaces: [Keyspace] = []
  /// The nodes that are known, once the server has turned out to be a cluster's.
  var cluster: ClusterNodes?
  /// For commands that a node has redirected just this once.
  var detour: Connection?
  /// The room that the server has, as the last refusal has shown it.
  var room = Room.enough
  private var isClosed = false

  /// Does not connect yet.
  public init(url: RedisURL, options: ConnectionOptions = ConnectionOptions()) {
    connector = Connector(url: url, options: options)
    self.options = options
    endpoint = url.endpoint
  }

  /// Another client of the same server, for the same keys, with a connection of its own. Does not connect yet.
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

  /// Adds what another client has exchanged on behalf of this one.
  func count(_ traffic: Traffic) { locked { connector.meter.traffic += traffic } }

  /// The shortest time that an exchange has taken so far; nil before the first. No round trip.
  var shortestRoundTrip: Duration? { locked { connector.meter.shortestRoundTrip } }

  /// Takes note that the server has accepted what may need memory. No round trip.
  func noteRoom() { locked { room = .enough } }

  /// Says which keys the client is used for: those under a prefix. No round trip.
  ///
  /// Should the server turn out to be a cluster, the client connects to the node that has these keys; without a
  /// hash tag in the prefix (`KeyHashTag`) every use then throws `StoreBackendError` with `needsHashTag`, before
  /// anything is written.
  /// Of several prefixes in different slots, `SCAN` sees the node of the first: use a client for each.
  /// - Parameter key: any one of the keys, which need not exist.
  func serve(keyPrefix: String, key: some RedisArgument) {
    var probe = Pipeline()
    probe.append("EXISTS", key)
    locked { keyspaces.append(Keyspace(prefix: keyPrefix, probe: probe)) }
  }

  /// Sends commands that only read. One round trip; on a new connection its greeting is sent along.
  ///
  /// Commands lost with their connection are sent once more on a new one.
  /// - Parameter tolerating: leaves the server's errors in their places among the replies. Otherwise the first
  ///   one is thrown.
  /// - Throws: `StoreBackendError`, `CorruptCacheError` for a key of another type, `CacheClosedError`.
  func read(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    try WorkCancellation.check()
    return try locked {
      try translatingFailures {
        let replies: Replies
        do {
          replies = try exchangeToRead(commands)
        } catch let failure as ConnectionFailure where failure.isLoss && failure.stage >= .greeting {
          try reconnect(after: failure)
          replies = try exchangeToRead(commands)
        }
        return try check(replies, of: commands, tolerating: tolerating)
      }
    }
  }

  /// Sends commands that write, once. One round trip; on a new connection one more, because the greeting's
  /// answers are awaited first.
  /// - Parameter tolerating: leaves the server's errors in their places among the replies. Otherwise the first
  ///   one is thrown, after all commands have been run.
  /// - Throws: as `read` does. After `StoreBackendError` with `connectionLost` or `timedOut` the commands may have
  ///   been run, or some of them, where the message says so.
  func write(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    try WorkCancellation.check()
    return try locked {
      try translatingFailures {
        let replies: Replies
        do {
          replies = try exchangeToWrite(commands)
        } catch let failure as ConnectionFailure where failure.isLoss && !failure.mayHaveRun {
          try reconnect(after: failure)
          replies = try exchangeToWrite(commands)
        }
        return try check(replies, of: commands, tolerating: tolerating)
      }
    }
  }

  /// The error of a reply that was tolerated, as it would have been thrown. No round trip, but for
  /// `OOM` and `READONLY`, about which the server is asked for more.
  func translate(_ error: ServerError, command: String, key: String?) -> any MnemeError {
    locked { translated(error, of: CommandText(name: command, key: key)) }
  }

  /// Runs `body` with the connection to itself.
  func locked<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
    // The result takes a way around the lock's own, which would have to let it leave for another thread.
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

  /// A connection that was alive a moment ago, or a new one. Its greeting may not have been sent yet.
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

  /// Gives up a connection that was lost, before what it was used for is tried again. On a cluster the node may be
  /// dying, and take a connection that it drops a moment later: so the others are asked as well who has the keys.
  func reconnect(after failure: ConnectionFailure) throws {
    disconnect()
    if cluster != nil { connection = try findOwner(after: failure) }
  }

  /// With the greeting of a new connection in the same write.
  private func exchangeToRead(_ commands: Pipeline) throws -> Replies {
    let connection = try connected()
    let replies = try connection.exchange(commands)
    if try settle(on: connection) { return try exchangeToRead(commands) }
    return try follow(replies, of: commands, again: .allCommands)
  }

  /// After the greeting has been answered.
  private func exchangeToWrite(_ commands: Pipeline) throws -> Replies {
    let connection = try connected()
    try connection.greet()
    if try settle(on: connection) { return try exchangeToWrite(commands) }
    let replies = try notingWhetherRun(commands, behindOthers: false) { try connection.exchange(commands) }
    return try follow(replies, of: commands, again: .redirectedCommands)
  }

  /// Adds to a failure whether commands that write may have been run all the same.
  /// - Parameter behindOthers: commands of the same pipeline have been run already.
  func notingWhetherRun<R>(_ commands: Pipeline, behindOthers: Bool, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch var failure as ConnectionFailure {
      failure.mayHaveRun = behindOthers || failure.stage == .exchange && failure.sent.mayHaveRun(commands)
      throw failure
    }
  }

  /// Takes note of what the server said about itself.
  /// - Returns: whether another node turned out to be the right one, so that what was asked must be asked again.
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

  /// Puts failures of the connection into the words of its user.
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
  /// The server may have got a whole command.
  func mayHaveRun(_ commands: Pipeline) -> Bool {
    switch self {
    case .nothing: false
    case .partly: commands.count > 1
    case .all: true
    }
  }
}
