import Glibc

/// A non-blocking stream socket, TCP or Unix. It is closed when the last reference is released.
final class Socket: Transport {
  let descriptor: Int32

  private init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  var eventsToWrite: Int16 { Int16(POLLOUT) }
  var eventsToRead: Int16 { Int16(POLLIN) }
  var hasBufferedInput: Bool { false }

  func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
    while true {
      // Without MSG_NOSIGNAL, a closed connection would end this process with SIGPIPE.
      let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .moved(count) }
      switch Socket.classify(.last) {
      case nil: continue
      case let outcome?: return outcome
      }
    }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    while true {
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .moved(count) }
      if count == 0 { return .end }
      switch Socket.classify(.last) {
      case nil: continue
      case let outcome?: return outcome
      }
    }
  }

  var isIdle: Bool {
    var byte: UInt8 = 0
    guard recv(descriptor, &byte, 1, Int32(MSG_PEEK)) < 0 else { return false }
    return if case .wouldBlock? = Socket.classify(.last) { true } else { false }
  }

  /// Returns the result for an error; nil if the call was interrupted by a signal and must be repeated.
  private static func classify(_ error: SystemError) -> Transfer? {
    switch error.code {
    case EINTR: nil
    case EAGAIN: .wouldBlock
    default: .failed(.system(error))
    }
  }
}

// MARK: - Connecting

extension Socket {
  /// Connects to the first address of `endpoint` that accepts the connection, in the resolver's order.
  static func connect(
    to endpoint: Endpoint, within limit: Duration, until deadline: Deadline
  ) throws(ConnectionFailure) -> Socket {
    let addresses = try addresses(of: endpoint, within: limit, until: deadline)
    return try connect(toFirstOf: addresses, within: limit, until: deadline)
  }

  /// Connects to the first address that accepts the connection. The time limit is for all of them together. Each gets
  /// an equal share of the time left, so that an address that never replies leaves time for the next.
  /// - Throws: the failure of the last address.
  static func connect(
    toFirstOf addresses: [SocketAddress], within limit: Duration, until deadline: Deadline
  ) throws(ConnectionFailure) -> Socket {
    var failure = ConnectionFailure(.timedOut(limit))
    var addresses = addresses[...]
    while let address = addresses.first {
      let share = Deadline.after(deadline.remaining / addresses.count)
      do throws(ConnectionFailure) {
        return try connect(to: address, within: limit, until: share)
      } catch {
        failure = error
      }
      addresses = addresses.dropFirst()
    }
    throw failure
  }

  private static func connect(
    to address: SocketAddress, within limit: Duration, until deadline: Deadline
  ) throws(ConnectionFailure) -> Socket {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    while true {
      let descriptor = socket(address.family, type, 0)
      guard descriptor >= 0 else { throw ConnectionFailure(.system(.last)) }
      let socket = Socket(descriptor: descriptor)
      if address.family != AF_UNIX { socket.tuneTCP() }
      if address.withSockaddr({ Glibc.connect(descriptor, $0, $1) }) == 0 { return socket }
      let error = SystemError.last
      switch error.code {
      // A signal does not interrupt a connection attempt: the kernel continues as after EINPROGRESS.
      case EINPROGRESS, EINTR:
        try socket.awaitConnection(within: limit, until: deadline)
        return socket
      // The queue of a Unix socket is full. There is no event to wait for, so it waits a short time.
      case EAGAIN where deadline.remainingMilliseconds > 0: usleep(10_000)
      default: throw ConnectionFailure(.system(error))
      }
    }
  }

  private func awaitConnection(
    within limit: Duration, until deadline: Deadline
  ) throws(ConnectionFailure) {
    try waitToConnect(Int16(POLLOUT), at: .connecting, within: limit, until: deadline)
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
      throw ConnectionFailure(.system(.last))
    }
    guard code == 0 else { throw ConnectionFailure(.system(SystemError(code: code))) }
  }

  /// Waits for an event while the connection is being made.
  /// - Parameter limit: the time limit for the error message.
  func waitToConnect(
    _ events: Int16, at stage: ConnectionFailure.Stage, within limit: Duration, until deadline: Deadline
  ) throws(ConnectionFailure) {
    let came: Int16
    do {
      came = try wait(for: events, on: descriptor, until: deadline)
    } catch {
      throw ConnectionFailure(.system(error), stage: stage)
    }
    guard came != 0 else { throw ConnectionFailure(.timedOut(limit), stage: stage) }
  }

  /// Sends small writes immediately, since a pipeline is already one write, and enables keep-alive, so that a lost
  /// peer is noticed between commands. The connection works without both, so errors are ignored.
  private func tuneTCP() {
    setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    setOption(SOL_SOCKET, SO_KEEPALIVE, 1)
    setOption(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
    setOption(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 20)
    setOption(Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
  }

  private func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}
