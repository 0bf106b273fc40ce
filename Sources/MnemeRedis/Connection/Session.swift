import Mneme

/// What stands behind a `RedisClient`: one connection at a time, and the decision what to do when it fails.
/// Not safe for threads by itself.
final class Session {
  /// With the options applied to it.
  let url: RedisURL
  let clientName: String
  let limits: Connection.Limits
  private(set) var connection: Connection?
  /// The server that is connected to, or to be connected to.
  private(set) var endpoint: Endpoint
  private(set) var role = ServerRole()
  /// Made for the first connection that needs it.
  private var tlsContext: TLSContext?
  private var isClosed = false

  init(url: RedisURL, options: ConnectionOptions) {
    var url = url
    url.username = options.username ?? url.username
    url.password = options.password.map(Secret.init) ?? url.password
    url.tls = options.tls.overriding(url.tls)
    self.url = url
    endpoint = url.endpoint
    clientName = url.clientName ?? options.clientName
    limits = Connection.Limits(
      connect: options.connectTimeout ?? url.connectTimeout ?? ConnectionOptions.defaultConnectTimeout,
      command: options.commandTimeout ?? url.commandTimeout ?? ConnectionOptions.defaultCommandTimeout)
  }

  var address: String { url.description(at: endpoint) }

  func close() {
    isClosed = true
    connection = nil
  }

  // MARK: Connecting

  /// A connection that was alive a moment ago, or a new one. Its greeting may not have been said yet.
  func connected() throws -> Connection {
    guard !isClosed else {
      throw CacheClosedError("The connection to \(address) is closed.", remediation: "Open a new one.")
    }
    if let connection, connection.isAlive { return connection }
    connection = nil
    let new = try connect(to: endpoint)
    connection = new
    return new
  }

  private func connect(to endpoint: Endpoint) throws(ConnectionFailure) -> Connection {
    let deadline = Deadline.after(limits.connect)
    let socket = try Socket.connect(to: endpoint, within: limits.connect, until: deadline)
    let transport = url.usesTLS ? try encrypt(socket, to: endpoint, until: deadline) : socket
    return try Connection(
      endpoint: endpoint, transport: transport, greeting: Greeting(url: url, clientName: clientName),
      limits: limits,
      connectedBy: deadline)
  }

  private func encrypt(
    _ socket: Socket, to endpoint: Endpoint, until deadline: Deadline
  ) throws(ConnectionFailure) -> any Transport {
    guard case .tcp(let host, _) = endpoint else { return socket }
    let context = try trustedContext()
    return try TLSTransport(over: socket, to: host, context: context, within: limits.connect, until: deadline)
  }

  private func trustedContext() throws(ConnectionFailure) -> TLSContext {
    if let tlsContext { return tlsContext }
    do throws(TLSError) {
      let context = try TLSContext(url.tls)
      tlsContext = context
      return context
    } catch {
      throw ConnectionFailure(.tls(error))
    }
  }

  func disconnect() { connection = nil }

  // MARK: Reading and writing

  func read(_ commands: Pipeline, tolerating: Bool) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    return try translatingFailures {
      let replies: Replies
      do {
        replies = try exchange(commands)
      } catch let failure as ConnectionFailure where failure.isLoss && failure.stage >= .greeting {
        replies = try exchange(commands)
      }
      return try check(replies, of: commands, tolerating: tolerating)
    }
  }

  func write(_ commands: Pipeline, tolerating: Bool) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    return try translatingFailures {
      let replies: Replies
      do {
        replies = try exchangeOnce(commands)
      } catch let failure as ConnectionFailure where failure.isLoss && !failure.mayHaveRun {
        replies = try exchangeOnce(commands)
      }
      return try check(replies, of: commands, tolerating: tolerating)
    }
  }

  /// The exchange of commands that write: after the greeting has been answered, and with a word on whether they
  /// may have been run where it failed.
  private func exchangeOnce(_ commands: Pipeline) throws -> Replies {
    try connected().greet()
    do {
      return try exchange(commands)
    } catch var failure as ConnectionFailure {
      failure.mayHaveRun = failure.stage == .exchange && failure.sent.mayHaveRun(commands)
      throw failure
    }
  }

  private func exchange(_ commands: Pipeline) throws -> Replies {
    let connection = try connected()
    let replies = try connection.exchange(commands)
    role = connection.role
    return replies
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
      throw failure.translated(server: address, url: url)
    } catch let refusal as GreetingRefused {
      disconnect()
      throw refusal.translated(server: address, url: url)
    }
  }

  func translate(_ error: ServerError, command: CommandText?) -> any MnemeError {
    error.translated(command: command, server: address)
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
