import Glibc
import Mneme
import Synchronization

extension Socket {
  /// Returns every address of the endpoint, in the order in which to try them.
  static func addresses(
    of endpoint: Endpoint, within limit: Duration, until deadline: Deadline
  ) throws(ConnectionFailure) -> [SocketAddress] {
    switch endpoint {
    case .unix(let path):
      do {
        return [try SocketAddress(unixPath: path)]
      } catch {
        throw ConnectionFailure(.system(error))
      }
    case .tcp(let host, let port):
      if case .success(let addresses) = Resolution.lookUp(host: host, port: port, flags: AI_NUMERICHOST) {
        return addresses
      }
      guard let outcome = try Resolution.start(host: host, port: port).wait(until: deadline) else {
        throw ConnectionFailure(.timedOut(limit), stage: .resolving)
      }
      switch outcome {
      case .success(let addresses): return addresses
      case .failure(let cause): throw ConnectionFailure(cause)
      }
    }
  }
}

/// The resolution of a name on its own thread. `getaddrinfo` has no time limit, and takes half a minute if a name
/// server does not reply. After the time limit the thread is left alone and ends later.
private final class Resolution: Sendable {
  typealias Outcome = Result<[SocketAddress], ConnectionFailure.Cause>

  private let host: String
  private let port: UInt16
  private let outcome = Mutex<Outcome?>(nil)
  /// The descriptor to wait on. It is at its end when the outcome is known, since `signal` is closed then.
  private let done: Int32
  private let signal: Int32

  private init(host: String, port: UInt16) throws(ConnectionFailure) {
    self.host = host
    self.port = port
    // A socketpair, because it can be created with close-on-exec in one call.
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw ConnectionFailure(.system(.last)) }
    (done, signal) = (ends[0], ends[1])
  }

  deinit { close(done) }

  static func start(host: String, port: UInt16) throws(ConnectionFailure) -> Resolution {
    let resolution = try Resolution(host: host, port: port)
    guard let thread = WorkerThread({ resolution.run() }) else {
      close(resolution.signal)
      throw ConnectionFailure(.system(SystemError(code: EAGAIN)))
    }
    thread.detach()
    return resolution
  }

  private func run() {
    let found = Resolution.lookUp(host: host, port: port, flags: 0)
    outcome.withLock { $0 = found }
    close(signal)
  }

  /// - Returns: nil when the deadline has passed.
  func wait(until deadline: Deadline) throws(ConnectionFailure) -> Outcome? {
    do {
      _ = try MnemeRedis.wait(for: Int16(POLLIN), on: done, until: deadline)
    } catch {
      throw ConnectionFailure(.system(error))
    }
    return outcome.withLock { $0 }
  }

  static func lookUp(host: String, port: UInt16, flags: Int32) -> Outcome {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = flags | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &list)
    guard code == 0 else {
      return .failure(code == EAI_SYSTEM ? .system(.last) : .resolver(ResolverError(code: code)))
    }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let info = next?.pointee {
      addresses.append(SocketAddress(copying: info))
      next = info.ai_next
    }
    return .success(addresses)
  }
}
