/// Why a request got no answer: libcurl's code in the distinctions that a caller acts on.
struct HTTPFailure: Error {
  enum Reason: Equatable {
    /// libcurl is not installed, or cannot be used.
    case missingLibrary
    /// The URL is none that can be asked.
    case badURL
    /// Nobody is there.
    case unreachable
    /// The time limit passed.
    case timedOut
    /// The connection ended before the answer did.
    case dropped
    /// The server's certificate was not accepted, or there was no TLS to be had.
    case certificate
    /// More than `HTTPClient.largestBody`.
    case tooLarge
    case other
  }

  var reason: Reason
  /// libcurl's own words.
  var text: String

  init(_ reason: Reason, _ text: String) {
    self.reason = reason
    self.text = text
  }

  /// The one place where a CURLcode is told apart.
  init(code: Int32, text: String) {
    let reason: Reason =
      switch code {
      case 1, 3: .badURL
      case 5, 6, 7: .unreachable
      case 18, 52, 55, 56: .dropped
      case 23: .tooLarge
      case 28: .timedOut
      case 35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91: .certificate
      default: .other
      }
    self.init(reason, text)
  }
}
