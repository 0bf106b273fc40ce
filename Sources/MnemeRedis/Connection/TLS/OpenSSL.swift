internal import CRuntimeLibraries

/// OpenSSL's functions. `CRuntimeLibraries` loads them.
extension OpenSSL {
  /// The functions. They are loaded for the first `rediss://` connection.
  static let shared = Result { () throws(TLSError) in
    var reason: UnsafePointer<CChar>?
    guard let functions = mneme_load_OpenSSL(&reason) else {
      throw TLSError(.missingLibrary, reason.map { String(cString: $0) } ?? "OpenSSL cannot be loaded")
    }
    return functions.pointee
  }
}
