internal import CRuntimeLibraries

/// libcurl's functions. `CRuntimeLibraries` loads them.
extension Curl {
  /// The functions. They are loaded for the first request to a server.
  static let shared = Result { () throws(HTTPFailure) in
    var reason: UnsafePointer<CChar>?
    guard let functions = mneme_load_Curl(&reason) else {
      throw HTTPFailure(.missingLibrary, reason.map { String(cString: $0) } ?? "libcurl cannot be loaded")
    }
    let code = functions.pointee.curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    guard code == CURLE_OK else {
      throw HTTPFailure(.missingLibrary, "libcurl cannot be started (\(code))")
    }
    return functions.pointee
  }
}
