import Glibc

/// The functions of OpenSSL that a client needs, found at run time.
///
/// Linked, libssl and libcrypto would cost every start of the command more than all the rest of it. So they are
/// loaded when the first `rediss://` connection is made. Versions 3 and 1.1 have all of these under the same names
/// and types; what their headers make macros of is spelled out below.
struct OpenSSL: @unchecked Sendable {
  typealias Pointer = OpaquePointer
  typealias Text = UnsafePointer<CChar>

  // Contexts
  let TLS_client_method: @convention(c) () -> Pointer?
  let SSL_CTX_new: @convention(c) (Pointer?) -> Pointer?
  let SSL_CTX_free: @convention(c) (Pointer?) -> Void
  let SSL_CTX_ctrl: @convention(c) (Pointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int
  let SSL_CTX_set_verify: @convention(c) (Pointer?, Int32, UnsafeRawPointer?) -> Void
  let SSL_CTX_set_default_verify_paths: @convention(c) (Pointer?) -> Int32
  let SSL_CTX_load_verify_locations: @convention(c) (Pointer?, Text?, Text?) -> Int32
  let SSL_CTX_use_certificate_chain_file: @convention(c) (Pointer?, Text) -> Int32
  let SSL_CTX_use_PrivateKey_file: @convention(c) (Pointer?, Text, Int32) -> Int32
  let SSL_CTX_check_private_key: @convention(c) (Pointer?) -> Int32
  let SSL_CTX_set_default_passwd_cb: @convention(c) (Pointer?, PasswordCallback) -> Void

  // Connections
  let SSL_new: @convention(c) (Pointer?) -> Pointer?
  let SSL_free: @convention(c) (Pointer?) -> Void
  let SSL_ctrl: @convention(c) (Pointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int
  let SSL_set1_host: @convention(c) (Pointer?, Text) -> Int32
  let SSL_get0_param: @convention(c) (Pointer?) -> Pointer?
  let X509_VERIFY_PARAM_set1_ip_asc: @convention(c) (Pointer?, Text) -> Int32
  let SSL_set_bio: @convention(c) (Pointer?, Pointer?, Pointer?) -> Void
  let SSL_set_connect_state: @convention(c) (Pointer?) -> Void
  let SSL_do_handshake: @convention(c) (Pointer?) -> Int32
  let SSL_read: @convention(c) (Pointer?, UnsafeMutableRawPointer?, Int32) -> Int32
  let SSL_peek: @convention(c) (Pointer?, UnsafeMutableRawPointer?, Int32) -> Int32
  let SSL_write: @convention(c) (Pointer?, UnsafeRawPointer?, Int32) -> Int32
  let SSL_pending: @convention(c) (Pointer?) -> Int32
  let SSL_shutdown: @convention(c) (Pointer?) -> Int32
  let SSL_get_error: @convention(c) (Pointer?, Int32) -> Int32
  let SSL_get_verify_result: @convention(c) (Pointer?) -> Int

  // Where the bytes go
  typealias WriteCallback = @convention(c) (Pointer?, Text?, Int32) -> Int32
  typealias ReadCallback = @convention(c) (Pointer?, UnsafeMutablePointer<CChar>?, Int32) -> Int32
  typealias ControlCallback = @convention(c) (Pointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int
  typealias PasswordCallback =
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32
  let BIO_meth_new: @convention(c) (Int32, Text) -> Pointer?
  let BIO_meth_set_write: @convention(c) (Pointer?, WriteCallback) -> Int32
  let BIO_meth_set_read: @convention(c) (Pointer?, ReadCallback) -> Int32
  let BIO_meth_set_ctrl: @convention(c) (Pointer?, ControlCallback) -> Int32
  let BIO_new: @convention(c) (Pointer?) -> Pointer?
  let BIO_set_init: @convention(c) (Pointer?, Int32) -> Void
  let BIO_set_data: @convention(c) (Pointer?, UnsafeMutableRawPointer?) -> Void
  let BIO_get_data: @convention(c) (Pointer?) -> UnsafeMutableRawPointer?
  let BIO_set_flags: @convention(c) (Pointer?, Int32) -> Void
  let BIO_clear_flags: @convention(c) (Pointer?, Int32) -> Void

  // Errors
  let OpenSSL_version_num: @convention(c) () -> UInt
  let ERR_get_error: @convention(c) () -> UInt
  let ERR_clear_error: @convention(c) () -> Void
  let ERR_error_string_n: @convention(c) (UInt, UnsafeMutablePointer<CChar>?, Int) -> Void
  let X509_verify_cert_error_string: @convention(c) (Int) -> Text?

  /// The library, loaded by whoever asks first.
  static let shared = Result { () throws(TLSError) in try OpenSSL() }
}

// MARK: - Loading

extension OpenSSL {
  private init() throws(TLSError) {
    let library = try Library(anyOf: ["libssl.so.3", "libssl.so.1.1"])
    TLS_client_method = try library.function("TLS_client_method")
    SSL_CTX_new = try library.function("SSL_CTX_new")
    SSL_CTX_free = try library.function("SSL_CTX_free")
    SSL_CTX_ctrl = try library.function("SSL_CTX_ctrl")
    SSL_CTX_set_verify = try library.function("SSL_CTX_set_verify")
    SSL_CTX_set_default_verify_paths = try library.function("SSL_CTX_set_default_verify_paths")
    SSL_CTX_load_verify_locations = try library.function("SSL_CTX_load_verify_locations")
    SSL_CTX_use_certificate_chain_file = try library.function("SSL_CTX_use_certificate_chain_file")
    SSL_CTX_use_PrivateKey_file = try library.function("SSL_CTX_use_PrivateKey_file")
    SSL_CTX_check_private_key = try library.function("SSL_CTX_check_private_key")
    SSL_CTX_set_default_passwd_cb = try library.function("SSL_CTX_set_default_passwd_cb")
    SSL_new = try library.function("SSL_new")
    SSL_free = try library.function("SSL_free")
    SSL_ctrl = try library.function("SSL_ctrl")
    SSL_set1_host = try library.function("SSL_set1_host")
    SSL_get0_param = try library.function("SSL_get0_param")
    X509_VERIFY_PARAM_set1_ip_asc = try library.function("X509_VERIFY_PARAM_set1_ip_asc")
    SSL_set_bio = try library.function("SSL_set_bio")
    SSL_set_connect_state = try library.function("SSL_set_connect_state")
    SSL_do_handshake = try library.function("SSL_do_handshake")
    SSL_read = try library.function("SSL_read")
    SSL_peek = try library.function("SSL_peek")
    SSL_write = try library.function("SSL_write")
    SSL_pending = try library.function("SSL_pending")
    SSL_shutdown = try library.function("SSL_shutdown")
    SSL_get_error = try library.function("SSL_get_error")
    SSL_get_verify_result = try library.function("SSL_get_verify_result")
    BIO_meth_new = try library.function("BIO_meth_new")
    BIO_meth_set_write = try library.function("BIO_meth_set_write")
    BIO_meth_set_read = try library.function("BIO_meth_set_read")
    BIO_meth_set_ctrl = try library.function("BIO_meth_set_ctrl")
    BIO_new = try library.function("BIO_new")
    BIO_set_init = try library.function("BIO_set_init")
    BIO_set_data = try library.function("BIO_set_data")
    BIO_get_data = try library.function("BIO_get_data")
    BIO_set_flags = try library.function("BIO_set_flags")
    BIO_clear_flags = try library.function("BIO_clear_flags")
    OpenSSL_version_num = try library.function("OpenSSL_version_num")
    ERR_get_error = try library.function("ERR_get_error")
    ERR_clear_error = try library.function("ERR_clear_error")
    ERR_error_string_n = try library.function("ERR_error_string_n")
    X509_verify_cert_error_string = try library.function("X509_verify_cert_error_string")
  }

  /// A shared library, kept loaded for the life of the process.
  private struct Library {
    private let handle: UnsafeMutableRawPointer

    init(anyOf names: [String]) throws(TLSError) {
      for name in names {
        if let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) {
          self.handle = handle
          return
        }
      }
      throw TLSError(.missingLibrary, Library.lastError)
    }

    /// - Precondition: `Function` is the C function's type.
    func function<Function>(_ name: String) throws(TLSError) -> Function {
      // Finds what is in libcrypto too, because libssl depends on it.
      guard let symbol = dlsym(handle, name) else { throw TLSError(.missingLibrary, Library.lastError) }
      return unsafeBitCast(symbol, to: Function.self)
    }

    private static var lastError: String {
      dlerror().map { String(cString: $0) } ?? "OpenSSL cannot be loaded"
    }
  }
}

// MARK: - What the headers define

extension OpenSSL {
  static let filetypePEM: Int32 = 1
  static let verifyNone: Int32 = 0
  static let verifyPeer: Int32 = 1
  static let verifyOK = 0

  static let errorWantRead: Int32 = 2
  static let errorWantWrite: Int32 = 3
  static let errorSyscall: Int32 = 5
  static let errorZeroReturn: Int32 = 6

  static let controlMode: Int32 = 33
  static let controlSetHostName: Int32 = 55
  static let controlSetMinimumVersion: Int32 = 123
  static let TLS1_2 = 0x0303
  /// A write may take less than all, and the rest may lie elsewhere when it is tried again.
  static let modePartialWriteFromMovingBuffer = 0x1 | 0x2

  static let bioRead: Int32 = 0x01
  static let bioWrite: Int32 = 0x02
  static let bioShouldRetry: Int32 = 0x08
  static let bioControlFlush: Int32 = 11
  /// `BIO_TYPE_SOURCE_SINK`, and a number that no type of OpenSSL has.
  static let bioType: Int32 = 0x0400 | 127
}
