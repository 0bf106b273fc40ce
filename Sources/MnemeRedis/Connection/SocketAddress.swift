import Glibc

/// An address as the kernel takes it.
struct SocketAddress: Sendable {
  let family: Int32
  /// The `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`, byte for byte.
  private let bytes: [UInt8]

  init(copying info: addrinfo) {
    family = info.ai_family
    bytes = [UInt8](UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen)))
  }

  /// - Throws: `ENAMETOOLONG`; the kernel takes at most 107 bytes.
  init(unixPath path: String) throws(SystemError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
      guard path.utf8.count < buffer.count else { return false }
      buffer.copyBytes(from: path.utf8)
      return true
    }
    guard fits else { throw SystemError(code: ENAMETOOLONG) }
    family = AF_UNIX
    bytes = withUnsafeBytes(of: &address) { [UInt8]($0) }
  }

  func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    bytes.withUnsafeBytes { raw in
      // malloc aligns the array's elements to 16 bytes, more than any sockaddr asks for.
      body(raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
    }
  }
}

extension Socket {
  /// Every address of the endpoint, in the order to try them.
  static func addresses(of endpoint: Endpoint) throws(ConnectionFailure) -> [SocketAddress] {
    switch endpoint {
    case .unix(let path):
      do {
        return [try SocketAddress(unixPath: path)]
      } catch {
        throw ConnectionFailure(.system(error))
      }
    case .tcp(let host, let port):
      return try resolve(host: host, port: port)
    }
  }

  private static func resolve(host: String, port: UInt16) throws(ConnectionFailure) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &list)
    guard code == 0 else {
      throw ConnectionFailure(code == EAI_SYSTEM ? .system(.last) : .resolver(ResolverError(code: code)))
    }
    defer { freeaddrinfo(list) }
    return sequence(first: list) { $0?.pointee.ai_next }.compactMap {
      $0.map { SocketAddress(copying: $0.pointee) }
    }
  }
}
