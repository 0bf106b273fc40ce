import Glibc

/// An address in the form of the kernel.
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
