internal import CRuntimeLibraries

/// The reason why a request got no answer: libcurl's code, reduced to the cases that callers handle differently.
struct HTTPFailure: Error, CustomStringConvertible {
  enum Reason: Equatable {
    /// libcurl is not installed, or cannot be used.
    case missingLibrary
    /// The URL cannot be requested.
    case badURL
    /// The server does not speak HTTP 1 or later, or the URL names another protocol.
    case otherProtocol
    /// There is no server at this address.
    case unreachable
    /// The time limit passed.
    case timedOut
    /// The connection ended before the answer was complete.
    case dropped
    /// The server's certificate was not accepted, or TLS is not available.
    case certificate
    /// More than `HTTPClient.largestBody`.
    case tooLarge
    /// A stop request has ended the wait.
    case stopped
    case other
  }

  var reason: Reason
  /// libcurl's message.
  var description: String

  init(_ reason: Reason, _ description: String) {
    self.reason = reason
    self.description = description
  }

  /// Converts a CURLcode.
  init(code: UInt32, _ description: String) {
    let reason: Reason =
      switch code {
      case CURLE_URL_MALFORMAT: .badURL
      case CURLE_UNSUPPORTED_PROTOCOL: .otherProtocol
      case CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT: .unreachable
      case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR: .dropped
      case CURLE_WRITE_ERROR: .tooLarge
      case CURLE_ABORTED_BY_CALLBACK: .stopped
      case CURLE_OPERATION_TIMEDOUT: .timedOut
      case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED,
        CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_PEER_FAILED_VERIFICATION,
        CURLE_USE_SSL_FAILED, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_SHUTDOWN_FAILED, CURLE_SSL_CRL_BADFILE,
        CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS:
        .certificate
      default: .other
      }
    self.init(reason, description)
  }
}
