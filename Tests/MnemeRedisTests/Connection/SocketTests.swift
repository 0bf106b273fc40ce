import Glibc
import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Sockets")
struct SocketTests {
  /// The addresses of 127.0.0.1 with these ports, as a name could have them.
  private func addresses(_ ports: [Int]) throws -> [SocketAddress] {
    try ports.flatMap { port in
      let endpoint = Endpoint.tcp(host: "127.0.0.1", port: UInt16(port))
      return try Socket.addresses(of: endpoint, within: .seconds(1), until: .after(.seconds(1)))
    }
  }

  private func port(ofPeerOf socket: Socket) -> Int {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(socket.descriptor, $0, &length) }
    }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  @Test("Every address of a name is tried in order, after one that refuses and one that drops packets")
  func everyAddress() throws {
    let swallowing = try SwallowingListener()
    let (first, second) = (try Listener(), try Listener())
    let addresses = try addresses([1, swallowing.port, first.port, second.port])
    let limit = Duration.seconds(4)
    let socket = try Socket.connect(toFirstOf: addresses, within: limit, until: .after(limit))
    #expect(port(ofPeerOf: socket) == first.port)
  }

  @Test("If no address accepts the connection, the failure is that of the last, and all share the time limit")
  func noAddress() throws {
    let swallowing = try SwallowingListener()
    let limit = Duration.milliseconds(300)
    let silent = #expect(throws: ConnectionFailure.self) {
      try Socket.connect(
        toFirstOf: addresses([swallowing.port, swallowing.port]), within: limit, until: .after(limit))
    }
    guard case .timedOut(let told) = silent?.cause else {
      Issue.record("\(String(describing: silent))")
      return
    }
    #expect(told == limit, "the whole limit is what the user has set")
    let refused = #expect(throws: ConnectionFailure.self) {
      try Socket.connect(
        toFirstOf: addresses([swallowing.port, 1]), within: limit, until: .after(limit))
    }
    guard case .system(let error) = refused?.cause else {
      Issue.record("\(String(describing: refused))")
      return
    }
    #expect(error.code == ECONNREFUSED)
  }

  @Test(
    "A TCP connection sends small writes immediately, notices a peer that vanished, and no child inherits it")
  func options() throws {
    let listener = try Listener()
    let endpoint = Endpoint.tcp(host: "127.0.0.1", port: UInt16(listener.port))
    let socket = try Socket.connect(to: endpoint, within: .seconds(5), until: .after(.seconds(5)))
    func option(_ level: Int32, _ name: Int32) -> Int32 {
      var (value, length): (Int32, socklen_t) = (-1, 4)
      getsockopt(socket.descriptor, level, name, &value, &length)
      return value
    }
    let tcp = Int32(IPPROTO_TCP)
    #expect(option(tcp, TCP_NODELAY) == 1)
    #expect(option(SOL_SOCKET, SO_KEEPALIVE) == 1)
    #expect(option(tcp, TCP_KEEPIDLE) == 60)
    #expect(option(tcp, TCP_KEEPINTVL) == 20)
    #expect(option(tcp, TCP_KEEPCNT) == 3)
    #expect(fcntl(socket.descriptor, F_GETFD) & FD_CLOEXEC != 0)
    #expect(fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK != 0)
  }

  @Test("The first message of TLS contains the name of the host, but not an address")
  func serverName() throws {
    for (host, isNamed) in [("localhost", true), ("127.0.0.1", false)] {
      let server = try ScriptedServer { peer, _ in peer.receive() }
      let client = try RedisClient("rediss://\(host):\(server.port)")
      #expect(throws: StoreBackendError.self) { try client.ask("PING") }
      let hello = try #require(server.conversations.first)
      #expect(hello.contains(host) == isNamed)
    }
  }
}
