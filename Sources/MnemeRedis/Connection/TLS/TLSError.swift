internal import CRuntimeLibraries
import Mneme

/// An error of OpenSSL, and its kind.
struct TLSError: Error, Sendable, CustomStringConvertible {
  enum Kind: Sendable {
    /// OpenSSL is not installed.
    case missingLibrary
    /// A file that the user has named cannot be used.
    case file(String)
    /// mneme does not accept the server's certificate.
    case refusedByUs(Remedy)
    /// The server does not accept the client certificate, or requires one.
    case refusedByServer
    /// The server ended the handshake without a reason. Before TLS 1.3, a server that requires a certificate does that.
    case handshakeRefused
    /// The server does not speak TLS.
    case notTLS
    case other
  }

  let kind: Kind
  /// OpenSSL's message.
  let description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  /// Takes the oldest error that OpenSSL has queued for this thread, since it is the cause of the others.
  init(queuedIn openSSL: OpenSSL, as kind: Kind? = nil) {
    let code = openSSL.ERR_get_error()
    openSSL.ERR_clear_error()
    self.init(kind ?? TLSError.kind(ofReason: openSSL.reason(of: code)), openSSL.text(of: code))
  }

  /// Makes the error for a server's certificate that was not accepted.
  /// - Parameter result: the result of `SSL_get_verify_result`.
  init(verification result: Int, in openSSL: OpenSSL) {
    let code = openSSL.ERR_get_error()
    openSSL.ERR_clear_error()
    let why = openSSL.X509_verify_cert_error_string(result).map { String(cString: $0) } ?? "error \(result)"
    self.init(.refusedByUs(Self.remedy(forVerification: result)), "\(openSSL.text(of: code)): \(why)")
  }

  private static func remedy(forVerification result: Int) -> Remedy {
    switch Int32(truncatingIfNeeded: result) {
    case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: .renewCertificate
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .useCertificateName
    default: .trustAuthority
    }
  }

  /// Returns the kind of error for a reason. Reasons with `ALERT` in their names are sent by the server.
  private static func kind(ofReason reason: Int32) -> Kind {
    switch reason {
    case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_UNKNOWN_PROTOCOL,
      SSL_R_PACKET_LENGTH_TOO_LONG:
      .notTLS
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
      SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
      SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_ACCESS_DENIED,
      SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      .refusedByServer
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: .handshakeRefused
    default: .other
    }
  }

  /// Returns the error for the user.
  func translated(server: String) -> StoreBackendError {
    switch kind {
    case .missingLibrary:
      StoreBackendError(
        .unreachable, "Cannot connect to \(server): TLS needs OpenSSL, which cannot be loaded.",
        about: .server(server), remedy: .installOpenSSL, cause: self)
    case .file(let path):
      StoreBackendError(
        .unusableFile, "Cannot connect to \(server): the file '\(path)' cannot be used for TLS.",
        about: .server(server), remedy: .checkTLSFile, cause: self)
    case .refusedByUs(let remedy):
      StoreBackendError(
        .certificate, "The TLS certificate of \(server) is not accepted.",
        about: .server(server), remedy: remedy, cause: self)
    case .refusedByServer:
      StoreBackendError(
        .certificate, "\(server) does not accept the client certificate, or requires one.",
        about: .server(server), remedy: .provideClientCertificate, cause: self)
    case .handshakeRefused:
      StoreBackendError(
        .certificate, "\(server) refused the TLS handshake.",
        about: .server(server), remedy: .checkTLSHandshake, cause: self)
    case .notTLS:
      StoreBackendError(
        .protocolViolation, "\(server) does not speak TLS.",
        about: .server(server), remedy: .checkTLSPort, cause: self)
    case .other:
      StoreBackendError(
        .unreachable, "The TLS connection to \(server) failed.",
        about: .server(server), remedy: .readServerLog, cause: self)
    }
  }
}

extension OpenSSL {
  /// The part of an error code that `SSL_R_…` names. Version 3 has more bits for it, and the version that is loaded
  /// need not be the one of the headers.
  fileprivate func reason(of code: UInt) -> Int32 {
    Int32(OpenSSL_version_num() >= 0x3000_0000 ? code & 0x7f_ffff : code & 0xfff)
  }

  /// `error:0A000086:SSL routines::certificate verify failed`
  fileprivate func text(of code: UInt) -> String {
    guard code != 0 else { return "OpenSSL gives no reason" }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      ERR_error_string_n(code, buffer.baseAddress, buffer.count)
      return String(cString: buffer.baseAddress!)
    }
  }
}
