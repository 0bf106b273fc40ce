/// Makes the connections of one client to any node. It has the address, credentials, TLS settings and time limits.
final class Connector {
  /// The URL, with the caller's options applied.
  let url: RedisURL
  let limits: Connection.Limits
  private let clientName: String
  let meter = TrafficMeter()
  /// The TLS context, made for the first connection that needs it.
  private var tlsContext: TLSContext?

  init(url: RedisURL, options: ConnectionOptions) {
    var url = url
    url.username = options.username ?? url.username
    url.password = options.password.map(Secret.init) ?? url.password
    url.tls = options.tls.overriding(url.tls)
    self.url = url
    clientName = url.clientName ?? options.clientName
    limits = Connection.Limits(
      connect: options.connectTimeout ?? url.connectTimeout ?? ConnectionOptions.defaultConnectTimeout,
      command: options.commandTimeout ?? url.commandTimeout ?? ConnectionOptions.defaultCommandTimeout)
  }

  /// Makes a connection. Its greeting is sent with the first commands.
  /// - Parameter limits: those of the client, if not given.
  func connect(to endpoint: Endpoint, limits: Connection.Limits? = nil) throws(ConnectionFailure)
    -> Connection
  {
    let limits = limits ?? self.limits
    let deadline = Deadline.after(limits.connect)
    let socket = try Socket.connect(to: endpoint, within: limits.connect, until: deadline)
    let transport = url.usesTLS ? try encrypt(socket, to: endpoint, until: deadline, limits) : socket
    let connection = try Connection(
      endpoint: endpoint, transport: transport, greeting: Greeting(url: url, clientName: clientName),
      limits: limits, meter: meter, connectedBy: deadline)
    meter.traffic.connections += 1
    return connection
  }

  private func encrypt(
    _ socket: Socket, to endpoint: Endpoint, until deadline: Deadline, _ limits: Connection.Limits
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
}
