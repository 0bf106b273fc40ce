internal import CRuntimeLibraries
import Glibc
import Mneme
import Synchronization

/// A client that posts JSON to one URL and keeps the connection between requests.
///
/// Redirects are not followed, because the headers, such as an API key, are for this server only.
/// libcurl takes a proxy from the variables that it documents (`https_proxy`, `no_proxy`).
final class HTTPClient: Sendable {
  struct Response {
    var status: Int
    /// The pause that the server asks for with `Retry-After`.
    var retryAfter: Duration?
    var body: [UInt8]
  }

  /// The largest accepted body. Answers of embedders are much smaller.
  static let largestBody = 256 << 20

  private let url: String
  private let headers: [String]
  private let session = Mutex<Session?>(nil)

  /// - Parameters:
  ///   - url: the URL of every request.
  ///   - headers: the headers to send, as `Name: value`.
  init(url: String, headers: [String]) {
    self.url = url
    self.headers = headers + ["Content-Type: application/json", "Accept: application/json", "Expect:"]
  }

  /// Posts `body` and waits for the whole answer, whatever its status.
  func post(_ body: [UInt8], within limit: Duration) throws(HTTPFailure) -> Response {
    try session.withLock { session throws(HTTPFailure) in
      let open = if let session { session } else { try Session(url: url, headers: headers) }
      session = open
      return try withoutPipeSignals { () throws(HTTPFailure) in try open.post(body, within: limit) }
    }
  }
}

/// An easy handle of libcurl, used by one thread at a time.
private final class Session: @unchecked Sendable {
  private let curl: Curl
  private let handle: UnsafeMutableRawPointer
  private var headers: OpaquePointer?
  private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

  init(url: String, headers: [String]) throws(HTTPFailure) {
    curl = try Curl.shared.get()
    guard let handle = curl.curl_easy_init() else {
      throw HTTPFailure(.missingLibrary, "libcurl has no handle")
    }
    self.handle = handle
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    for header in headers { self.headers = curl.curl_slist_append(self.headers, header) }
    curl.set(handle, CURLOPT_URL, text: url)
    curl.set(handle, CURLOPT_HTTPHEADER, list: self.headers)
    curl.set(handle, CURLOPT_USERAGENT, text: "mneme")
    curl.set(handle, CURLOPT_ERRORBUFFER, pointer: errorText)
    curl.set(handle, CURLOPT_PROTOCOLS, number: Int(CURLPROTO_HTTP | CURLPROTO_HTTPS))
    // Time limits without SIGALRM.
    curl.set(handle, CURLOPT_NOSIGNAL, number: 1)
    curl.set(handle, CURLOPT_POST, number: 1)
    // The progress callback is called at least once a second.
    curl.set(handle, CURLOPT_NOPROGRESS, number: 0)
    curl.set(handle, CURLOPT_XFERINFOFUNCTION, progress: { _, _, _, _, _ in StopRequest.hasCome ? 1 : 0 })
    curl.set(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, body in
      guard let bytes, let body else { return 0 }
      let collected = Unmanaged<Body>.fromOpaque(body).takeUnretainedValue()
      return collected.take(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
    }
  }

  deinit {
    curl.curl_easy_cleanup(handle)
    curl.curl_slist_free_all(headers)
    errorText.deallocate()
  }

  /// The part of the body that has arrived.
  private final class Body {
    var bytes: [UInt8] = []

    /// - Returns: false if the body becomes too large.
    func take(_ piece: UnsafeRawBufferPointer) -> Bool {
      guard bytes.count + piece.count <= HTTPClient.largestBody else { return false }
      bytes.append(contentsOf: piece)
      return true
    }
  }

  func post(_ body: [UInt8], within limit: Duration) throws(HTTPFailure) -> HTTPClient.Response {
    let milliseconds = limit.components.seconds * 1000 + limit.components.attoseconds / 1_000_000_000_000_000
    curl.set(handle, CURLOPT_TIMEOUT_MS, number: Int(max(1, milliseconds)))
    errorText[0] = 0
    let answer = Body()
    let code = withExtendedLifetime(answer) {
      body.withUnsafeBytes { bytes in
        curl.set(handle, CURLOPT_WRITEDATA, pointer: Unmanaged.passUnretained(answer).toOpaque())
        curl.set(handle, CURLOPT_POSTFIELDSIZE, number: bytes.count)
        curl.set(handle, CURLOPT_POSTFIELDS, pointer: bytes.baseAddress)
        return curl.curl_easy_perform(handle)
      }
    }
    guard code == CURLE_OK else {
      let text =
        errorText[0] == 0
        ? curl.curl_easy_strerror(code).map { String(cString: $0) } : String(cString: errorText)
      throw HTTPFailure(code: code, text ?? "error \(code)")
    }
    let wait = curl.offset(handle, CURLINFO_RETRY_AFTER)
    return HTTPClient.Response(
      status: curl.number(handle, CURLINFO_RESPONSE_CODE), retryAfter: wait > 0 ? .seconds(wait) : nil,
      body: answer.bytes)
  }
}

/// Runs `body` with `SIGPIPE` blocked in this thread. So writing to a closed connection is an error, however the
/// program handles the signal.
func withoutPipeSignals<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
  var broken = sigset_t()
  var before = sigset_t()
  sigemptyset(&broken)
  sigaddset(&broken, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &broken, &before)
  defer {
    if sigismember(&before, SIGPIPE) == 0 {
      // Takes a pending signal, so that it is not delivered.
      var now = timespec()
      while sigtimedwait(&broken, nil, &now) == SIGPIPE {}
      pthread_sigmask(SIG_SETMASK, &before, nil)
    }
  }
  return try body()
}
