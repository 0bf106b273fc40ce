internal import CRuntimeLibraries
import Glibc

/// TLS over a socket.
///
/// OpenSSL reads and writes through callbacks into `Socket`, because its own writes raise SIGPIPE on a closed
/// connection.
final class TLSTransport: Transport {
  private let openSSL: OpenSSL
  private let session: OpaquePointer
  private let line: Line
  /// The context of the session, which must live as long.
  private let context: TLSContext

  private(set) var eventsToRead = Int16(POLLIN)
  private(set) var eventsToWrite = Int16(POLLOUT)
  private var isOpen = false

  /// The state that the callbacks use.
  private final class Line {
    let socket: Socket
    /// The failure of the socket, if it neither moved bytes nor asked to wait.
    var failure: ConnectionFailure.Cause?

    init(_ socket: Socket) { self.socket = socket }
  }

  var descriptor: Int32 { line.socket.descriptor }
  /// Whether decrypted bytes can be read. `SSL_has_pending` is not used, because it is also true for a part of a
  /// record.
  var hasBufferedInput: Bool { openSSL.SSL_pending(session) > 0 }

  /// Performs the TLS handshake on a connected socket.
  init(
    over socket: Socket, to host: String, context: TLSContext, within limit: Duration,
    until deadline: Deadline
  ) throws(ConnectionFailure) {
    line = Line(socket)
    self.context = context
    openSSL = context.openSSL
    do {
      session = try context.makeSession(host: host)
    } catch {
      throw ConnectionFailure(.tls(error))
    }
    guard let bio = TLSTransport.lineMethod.flatMap(openSSL.BIO_new) else {
      throw ConnectionFailure(.tls(TLSError(queuedIn: openSSL)))
    }
    openSSL.BIO_set_data(bio, Unmanaged.passUnretained(line).toOpaque())
    openSSL.BIO_set_init(bio, 1)
    openSSL.SSL_set_bio(session, bio, bio)
    openSSL.SSL_set_connect_state(session)
    try shakeHands(within: limit, until: deadline)
    isOpen = true
  }

  deinit {
    // Tells the server that the connection ends. The reply is not awaited.
    if isOpen { _ = openSSL.SSL_shutdown(session) }
    openSSL.ERR_clear_error()
    openSSL.SSL_free(session)
  }

  private func shakeHands(within limit: Duration, until deadline: Deadline) throws(ConnectionFailure) {
    while true {
      begin()
      let result = openSSL.SSL_do_handshake(session)
      if result == 1 { return }
      let events: Int16
      switch outcome(of: result) {
      case .wantsToRead: events = Int16(POLLIN)
      case .wantsToWrite: events = Int16(POLLOUT)
      case .ended: throw ConnectionFailure(.closed, stage: .securing)
      case .failed(let cause): throw ConnectionFailure(cause, stage: .securing)
      }
      try line.socket.waitToConnect(events, at: .securing, within: limit, until: deadline)
    }
  }

  // MARK: Moving bytes

  func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
    var written = 0
    while written < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
      begin()
      let count = openSSL.SSL_write(session, rest.baseAddress, Int32(clamping: rest.count))
      if count > 0 {
        written += Int(count)
        eventsToWrite = Int16(POLLOUT)
        continue
      }
      let outcome = outcome(of: count)
      if case .wantsToRead = outcome { eventsToWrite = Int16(POLLIN) }
      // Returns the bytes written so far. The error occurs again in the next call.
      return written > 0 ? .moved(written) : outcome.transfer
    }
    return .moved(written)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    begin()
    let count = openSSL.SSL_read(session, buffer.baseAddress, Int32(clamping: buffer.count))
    eventsToRead = Int16(POLLIN)
    if count > 0 { return .moved(Int(count)) }
    let outcome = outcome(of: count)
    if case .wantsToWrite = outcome { eventsToRead = Int16(POLLIN | POLLOUT) }
    return outcome.transfer
  }

  /// Whether only session tickets and similar records have arrived. Only OpenSSL can distinguish them from the end.
  var isIdle: Bool {
    var byte: UInt8 = 0
    begin()
    let count = openSSL.SSL_peek(session, &byte, 1)
    return if count <= 0, case .wantsToRead = outcome(of: count) { true } else { false }
  }

  /// Clears earlier errors. It must be called before every call whose result is passed to `outcome`.
  private func begin() {
    openSSL.ERR_clear_error()
    line.failure = nil
  }

  private enum Outcome {
    case wantsToRead, wantsToWrite, ended
    case failed(ConnectionFailure.Cause)

    var transfer: Transfer {
      switch self {
      case .wantsToRead, .wantsToWrite: .wouldBlock
      case .ended: .end
      case .failed(let cause): .failed(cause)
      }
    }
  }

  /// Returns the meaning of a result that is not a success. Call it before any other function of OpenSSL.
  private func outcome(of result: Int32) -> Outcome {
    switch openSSL.SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: return .wantsToRead
    case SSL_ERROR_WANT_WRITE: return .wantsToWrite
    case SSL_ERROR_ZERO_RETURN: return .ended
    default: break
    }
    isOpen = false
    if let failure = line.failure {
      if case .closed = failure { return .ended }
      return .failed(failure)
    }
    let verification = context.verifiesCertificate ? openSSL.SSL_get_verify_result(session) : Int(X509_V_OK)
    guard verification == X509_V_OK else {
      return .failed(.tls(TLSError(verification: verification, in: openSSL)))
    }
    return .failed(.tls(TLSError(queuedIn: openSSL)))
  }

  // MARK: Callbacks

  /// The kind of BIO that calls back into its `Line`; nil if memory is exhausted. It never changes.
  nonisolated(unsafe) private static let lineMethod: OpaquePointer? = {
    guard let openSSL = try? OpenSSL.shared.get(),
      let method = openSSL.BIO_meth_new(openSSL.BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket")
    else { return nil }
    _ = openSSL.BIO_meth_set_write(method) { bio, bytes, count in
      TLSTransport.move(bio, BIO_FLAGS_WRITE) {
        $0.socket.write(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      }
    }
    _ = openSSL.BIO_meth_set_read(method) { bio, bytes, count in
      TLSTransport.move(bio, BIO_FLAGS_READ) {
        $0.socket.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: Int(count)))
      }
    }
    _ = openSSL.BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }()

  /// Transfers bytes for OpenSSL. It returns their number, or -1 and keeps the reason for `outcome`.
  private static func move(
    _ bio: OpaquePointer?, _ direction: Int32, _ body: (Line) -> Transfer
  ) -> Int32 {
    guard let openSSL = try? OpenSSL.shared.get(), let data = openSSL.BIO_get_data(bio) else { return -1 }
    let line = Unmanaged<Line>.fromOpaque(data).takeUnretainedValue()
    openSSL.BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
    switch body(line) {
    case .moved(let count): return Int32(count)
    case .wouldBlock: openSSL.BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY)
    case .end: line.failure = .closed
    case .failed(let cause): line.failure = cause
    }
    return -1
  }
}
