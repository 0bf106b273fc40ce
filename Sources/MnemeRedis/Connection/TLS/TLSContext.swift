internal import CRuntimeLibraries
import Glibc
import Mneme

/// The trusted authorities and the client certificate, read from files once for all connections of a client.
final class TLSContext {
  let openSSL: OpenSSL
  let handle: OpaquePointer
  private let options: TLSOptions

  var verifiesCertificate: Bool { options.verifiesCertificate ?? true }

  /// Loads OpenSSL, if no connection has done that, and reads the files.
  init(_ options: TLSOptions) throws(TLSError) {
    let openSSL = try OpenSSL.shared.get()
    openSSL.ERR_clear_error()
    guard let handle = openSSL.SSL_CTX_new(openSSL.TLS_client_method()) else {
      throw TLSError(queuedIn: openSSL)
    }
    self.openSSL = openSSL
    self.handle = handle
    self.options = options
    _ = openSSL.SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
    // A write may transfer only a part, and the rest may be at another address in the next call.
    let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    _ = openSSL.SSL_CTX_ctrl(handle, SSL_CTRL_MODE, Int(mode), nil)
    try trust()
    try identify()
  }

  deinit { openSSL.SSL_CTX_free(handle) }

  private func trust() throws(TLSError) {
    guard verifiesCertificate else {
      return openSSL.SSL_CTX_set_verify(handle, SSL_VERIFY_NONE, nil)
    }
    openSSL.SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
    if let file = options.caFile {
      try check(openSSL.SSL_CTX_load_verify_locations(handle, file, nil), file)
    } else {
      // If the system has no root certificates, verification fails with the first connection.
      _ = openSSL.SSL_CTX_set_default_verify_paths(handle)
    }
  }

  private func identify() throws(TLSError) {
    guard let key = options.privateKeyFile else { return }
    let certificate = options.certificateFile ?? key
    // An encrypted key is an error. By default OpenSSL would ask for the pass phrase on the terminal.
    openSSL.SSL_CTX_set_default_passwd_cb(handle) { _, _, _, _ in -1 }
    try check(openSSL.SSL_CTX_use_certificate_chain_file(handle, certificate), certificate)
    try check(openSSL.SSL_CTX_use_PrivateKey_file(handle, key, SSL_FILETYPE_PEM), key)
    try check(openSSL.SSL_CTX_check_private_key(handle), key)
  }

  private func check(_ result: Int32, _ file: String) throws(TLSError) {
    guard result == 1 else { throw TLSError(queuedIn: openSSL, as: .file(visible(file))) }
  }

  /// Makes the session of a connection. It sends the host's name and accepts only a certificate for it.
  func makeSession(host: String) throws(TLSError) -> OpaquePointer {
    openSSL.ERR_clear_error()
    guard let session = openSSL.SSL_new(handle) else { throw TLSError(queuedIn: openSSL) }
    let verifiesHost = verifiesCertificate && (options.verifiesHostname ?? true)
    // A name may end in a dot, which certificates and SNI leave out.
    let name = host.utf8.last == UInt8(ascii: ".") ? String(host.dropLast()) : host
    var isSet: Int32 = 1
    if name.isNumericAddress {
      // SNI is only for names.
      if verifiesHost { isSet = openSSL.X509_VERIFY_PARAM_set1_ip_asc(openSSL.SSL_get0_param(session), name) }
    } else {
      var bytes = name.utf8CString
      isSet = bytes.withUnsafeMutableBytes {
        Int32(
          openSSL.SSL_ctrl(
            session, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), $0.baseAddress))
      }
      if verifiesHost && isSet == 1 {
        // Only the certificate's list of names is used, as in Python, and not its common name.
        openSSL.SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        isSet = openSSL.SSL_set1_host(session, name)
      }
    }
    guard isSet == 1 else {
      openSSL.SSL_free(session)
      throw TLSError(queuedIn: openSSL)
    }
    return session
  }
}

extension String {
  /// Whether it is an IPv4 or IPv6 address, and not a name.
  fileprivate var isNumericAddress: Bool {
    var address = in6_addr()
    return inet_pton(AF_INET, self, &address) == 1 || inet_pton(AF_INET6, self, &address) == 1
  }
}
