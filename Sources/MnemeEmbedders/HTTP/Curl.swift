import CCurl
import Glibc

/// The functions of libcurl that a client needs, found at run time.
///
/// Linked, libcurl and what it brings would cost every start of the command more than all the rest of it. So it is
/// loaded when the first embedder asks a server. Every 7.x and 8.x has these under the same names and numbers: the
/// interface of libcurl.so.4 is kept stable. What the headers define is spelled out below.
struct Curl: @unchecked Sendable {
  typealias Handle = UnsafeMutableRawPointer
  typealias Text = UnsafePointer<CChar>

  private let setopt: UnsafeMutableRawPointer
  private let getinfo: UnsafeMutableRawPointer
  let easy_init: @convention(c) () -> Handle?
  let easy_cleanup: @convention(c) (Handle) -> Void
  let easy_perform: @convention(c) (Handle) -> Int32
  let easy_strerror: @convention(c) (Int32) -> Text?
  let slist_append: @convention(c) (Handle?, Text) -> Handle?
  let slist_free_all: @convention(c) (Handle?) -> Void

  /// The library, loaded by whoever asks first.
  static let shared = Result { () throws(HTTPFailure) in try Curl() }

  private init() throws(HTTPFailure) {
    func missing() -> HTTPFailure {
      HTTPFailure(.missingLibrary, dlerror().map { String(cString: $0) } ?? "libcurl cannot be loaded")
    }
    // Debian has it with OpenSSL and with GnuTLS under two names; either will do.
    let names = ["libcurl.so.4", "libcurl-gnutls.so.4"]
    guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else {
      throw missing()
    }
    func symbol(_ name: String) throws(HTTPFailure) -> UnsafeMutableRawPointer {
      guard let symbol = dlsym(library, name) else { throw missing() }
      return symbol
    }
    /// - Precondition: `Function` is the C function's type.
    func function<Function>(_ name: String) throws(HTTPFailure) -> Function {
      unsafeBitCast(try symbol(name), to: Function.self)
    }
    setopt = try symbol("curl_easy_setopt")
    getinfo = try symbol("curl_easy_getinfo")
    easy_init = try function("curl_easy_init")
    easy_cleanup = try function("curl_easy_cleanup")
    easy_perform = try function("curl_easy_perform")
    easy_strerror = try function("curl_easy_strerror")
    slist_append = try function("curl_slist_append")
    slist_free_all = try function("curl_slist_free_all")
    let global_init: @convention(c) (Int) -> Int32 = try function("curl_global_init")
    let code = global_init(Self.globalDefault)
    guard code == 0 else { throw HTTPFailure(.missingLibrary, "libcurl cannot be started (\(code))") }
  }

  // MARK: The functions with open lists of arguments

  func set(_ option: Int32, of handle: Handle, to value: Int) {
    _ = curl_set_number(setopt, handle, option, value)
  }

  func set(_ option: Int32, of handle: Handle, to value: UnsafeMutableRawPointer?) {
    _ = curl_set_pointer(setopt, handle, option, value)
  }

  /// libcurl copies the text.
  func set(_ option: Int32, of handle: Handle, to value: String) {
    value.withCString { _ = curl_set_pointer(setopt, handle, option, UnsafeMutableRawPointer(mutating: $0)) }
  }

  func number(_ information: Int32, of handle: Handle) -> Int {
    var value = 0
    _ = curl_get_number(getinfo, handle, information, &value)
    return value
  }

  func offset(_ information: Int32, of handle: Handle) -> Int64 {
    var value: Int64 = 0
    _ = curl_get_offset(getinfo, handle, information, &value)
    return value
  }
}

// MARK: - What the headers define

extension Curl {
  static let globalDefault = 3
  static let errorSize = 256

  static let post: Int32 = 47
  static let postFieldSize: Int32 = 60
  static let noSignal: Int32 = 99
  static let timeoutMilliseconds: Int32 = 155
  static let protocols: Int32 = 181
  static let writeData: Int32 = 10_001
  static let url: Int32 = 10_002
  static let errorBuffer: Int32 = 10_010
  static let postFields: Int32 = 10_015
  static let userAgent: Int32 = 10_018
  static let header: Int32 = 10_023
  static let writeFunction: Int32 = 20_011

  static let responseCode: Int32 = 0x20_0000 + 2
  static let retryAfter: Int32 = 0x60_0000 + 57

  /// HTTP and HTTPS.
  static let webProtocols = 1 | 2

  typealias WriteCallback =
    @convention(c) (UnsafeMutableRawPointer?, Int, Int, UnsafeMutableRawPointer?) -> Int
}
