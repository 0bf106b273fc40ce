import Mneme

/// What stands behind a `RedisClient`: one connection at a time, and the decision what to do when it fails or
/// when another node is the right one. Not safe for threads by itself.
final class Session {
  let connector: Connector
  /// The server that is connected to, or to be connected to.
  var endpoint: Endpoint
  var connection: Connection?
  /// What the server last connected to said about itself.
  private(set) var role = ServerRole()
  /// The keys that the client is used for.
  var keyspaces: [Keyspace] = []
  /// The nodes that are known, once the server has turned out to be a cluster's.
  var cluster: ClusterNodes?
  /// Who else uses the server.
  let others: OtherClients
  /// For commands that a node has sent elsewhere just this once.
  var detour: Connection?
  private var isClosed = false

  init(url: RedisURL, options: ConnectionOptions) {
    connector = Connector(url: url, options: options)
    others = OtherClients(whenOnThisMachine: options.whenServerIsShared)
    endpoint = url.endpoint
  }

  var address: String { connector.url.description(at: endpoint) }

  func close() {
    isClosed = true
    disconnect()
  }

  func disconnect() {
    connection = nil
    detour = nil
  }

  /// A connection that was alive a moment ago, or a new one. Its greeting may not have been said yet.
  func connected() throws -> Connection {
    guard !isClosed else {
      throw CacheClosedError("The connection to \(address) is closed.", remediation: "Open a new one.")
    }
    // Whoever has sent something ahead hears of a failure when coming for the answers.
    connection?.settle()
    if let connection, connection.isAlive { return connection }
    disconnect()
    let new: Connection
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

  // MARK: Reading and writing

  func read(_ commands: Pipeline, tolerating: Bool) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    return try translatingFailures {
      let replies = try asking(along: commands) { asked in
        do {
          return try exchangeToRead(asked)
        } catch let failure as ConnectionFailure where failure.isLoss && failure.stage >= .greeting {
          try reconnect(after: failure)
          return try exchangeToRead(asked)
        }
      }
      return try check(replies, of: commands, tolerating: tolerating)
    }
  }

  func write(_ commands: Pipeline, tolerating: Bool) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    return try translatingFailures {
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
    role = connection.role
    guard role.isCluster == true else { return false }
    try requireHashTags()
    return cluster == nil ? try locateOwner(from: connection) : false
  }

  /// Throws the first error among the replies, unless those are tolerated.
  func check(_ replies: Replies, of commands: Pipeline, tolerating: Bool) throws -> Replies {
    if tolerating { return replies }
    for (index, reply) in replies.enumerated() {
      if let error = reply.error { throw translate(error, command: commands.command(at: index)) }
    }
    return replies
  }

  /// Puts failures of the connection into the words of its user.
  func translatingFailures<R>(_ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch let failure as ConnectionFailure {
      disconnect()
      throw failure.translated(server: address, url: connector.url)
    } catch let refusal as GreetingRefused {
      disconnect()
      throw refusal.translated(server: address, url: connector.url)
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

extension Replies {
  static let none = Replies(tape: Tape(limit: 0), skipped: 0)
}
