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

/// Whether who is at the other end of a connected socket is on this machine: at a path, at 127.0.0.0/8, or at the address
/// that the connection goes out from.
func hasLocalPeer(_ descriptor: Int32) -> Bool {
  func address(_ ask: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32)
    -> (family: sa_family_t, host: [UInt8])?
  {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { storage in
      let code = storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { ask(descriptor, $0, &length) }
      guard code == 0 else { return nil }
      let raw = UnsafeRawPointer(storage)
      let host: [UInt8] =
        switch Int32(storage.pointee.ss_family) {
        case AF_INET: withUnsafeBytes(of: raw.load(as: sockaddr_in.self).sin_addr) { [UInt8]($0) }
        case AF_INET6: withUnsafeBytes(of: raw.load(as: sockaddr_in6.self).sin6_addr) { [UInt8]($0) }
        default: []
        }
      return (storage.pointee.ss_family, host)
    }
  }
  guard let own = address(getsockname), let peer = address(getpeername), own.family == peer.family else {
    return false
  }
  return switch Int32(peer.family) {
  case AF_UNIX: true
  case AF_INET: peer.host.first == 127 || own.host == peer.host
  case AF_INET6: own.host == peer.host
  default: false
  }
}
