import Mneme

extension RedisURL {
  /// Query parameters by name. If one is given twice the first counts, and an empty one is ignored, as in
  /// Python's `parse_qs`.
  static func readParameters(
    _ query: Substring.UnicodeScalarView
  ) throws(ParseError) -> [String: String] {
    var parameters: [String: String] = [:]
    for pair in query.split(separator: "&") {
      let rawName = pair.prefix { $0 != "=" }
      let name = try decode(rawName, as: .parameter(String(Substring(rawName))), plusIsSpace: true)
      let value = try decode(
        pair[rawName.endIndex...].dropFirst(), as: .parameter(name), plusIsSpace: true)
      guard Parameter(rawValue: name) != nil || ignoredParameters.contains(name) else {
        throw unknown(name)
      }
      if !value.isEmpty, parameters[name] == nil { parameters[name] = value }
    }
    return parameters
  }

  /// Parameters of redis-py about its connection pool, its retries or the decoding of replies. They change neither the
  /// server nor the security of the connection.
  private static let ignoredParameters: Set<String> = [
    "decode_responses", "encoding", "encoding_errors", "health_check_interval", "legacy_responses",
    "lib_name",
    "lib_version", "max_connections", "protocol", "retry_on_error", "retry_on_timeout",
    "single_connection_client", "socket_keepalive", "socket_keepalive_options", "socket_read_size", "timeout",
  ]

  /// Returns the error for an unsupported parameter, with the effect that it would have had.
  private static func unknown(_ name: String) -> ParseError {
    let shown = visible(name)
    let reason =
      if ["host", "port", "path"].contains(name) {
        "The parameter '\(shown)' would name another server; write it before the '?'."
      } else if name.hasPrefix("ssl_") || name == "credential_provider" {
        "The parameter '\(shown)' changes how safe the connection is, and mneme does not support it."
      } else {
        "The parameter '\(shown)' is not known."
      }
    let known = Parameter.allCases.map(\.rawValue).joined(separator: ", ")
    return ParseError(
      .parameter(name), "\(reason) mneme reads \(known), and ignores redis-py's parameters for its pool.")
  }

  private enum Parameter: String, CaseIterable {
    case database = "db"
    case username, password
    case sentinelUsername = "sentinel_username"
    case sentinelPassword = "sentinel_password"
    case clientName = "client_name"
    case commandTimeout = "socket_timeout"
    case connectTimeout = "socket_connect_timeout"
    case certificateRequirement = "ssl_cert_reqs"
    case caFile = "ssl_ca_certs"
    case certificateFile = "ssl_certfile"
    case keyFile = "ssl_keyfile"
    case checkHostname = "ssl_check_hostname"

    var isForTLS: Bool { rawValue.hasPrefix("ssl_") }
    var isForSentinels: Bool { rawValue.hasPrefix("sentinel_") }
  }

  /// Applies the parameters of the query. Credentials before the host override those in the query, as in redis-py.
  mutating func apply(_ parameters: [String: String]) throws(ParseError) {
    for (name, value) in parameters {
      guard let parameter = Parameter(rawValue: name) else {
        ignoredParameters.append(name)
        continue
      }
      if parameter.isForTLS && !usesTLS {
        throw ParseError(.parameter(name), "The parameter '\(name)' goes with rediss:// only.")
      }
      if parameter.isForSentinels && sentinels == nil {
        throw ParseError(.parameter(name), "The parameter '\(name)' goes with redis+sentinel:// only.")
      }
      switch parameter {
      case .sentinelUsername: sentinels?.username = value
      case .sentinelPassword: sentinels?.password = Secret(value)
      case .database: database = try RedisURL.database(value[...].unicodeScalars)
      case .username: username = username ?? value
      case .password: password = password ?? Secret(value)
      case .clientName: clientName = try RedisURL.clientName(value, name)
      case .commandTimeout: commandTimeout = try RedisURL.seconds(value, name)
      case .connectTimeout: connectTimeout = try RedisURL.seconds(value, name)
      case .certificateRequirement: tls.verifiesCertificate = try RedisURL.requirement(value, name)
      case .caFile: tls.caFile = value
      case .certificateFile: tls.certificateFile = value
      case .keyFile: tls.keyFile = value
      case .checkHostname: tls.verifiesHostname = try RedisURL.boolean(value, name)
      }
    }
    ignoredParameters.sort()
  }

  /// Checks a client name. `CLIENT SETNAME` accepts printable ASCII without blanks.
  private static func clientName(_ text: String, _ name: String) throws(ParseError) -> String {
    guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw ParseError(
        .parameter(name), "The parameter '\(name)' holds a character that no name of a connection may have.")
    }
    return text
  }

  private static func seconds(_ text: String, _ name: String) throws(ParseError) -> Duration {
    guard let seconds = Double(text), seconds > 0, seconds <= 1e9 else {
      throw ParseError(.parameter(name), "The parameter '\(name)' is a number of seconds above 0.")
    }
    return .seconds(seconds)
  }

  private static func boolean(_ text: String, _ name: String) throws(ParseError) -> Bool {
    switch text.lowercased() {
    case "1", "t", "true", "y", "yes": return true
    case "0", "f", "false", "n", "no": return false
    default: throw ParseError(.parameter(name), "The parameter '\(name)' is true or false.")
    }
  }

  /// Reads `ssl_cert_reqs`. To a client, `optional` means `required`, since a TLS server always sends a certificate.
  private static func requirement(_ text: String, _ name: String) throws(ParseError) -> Bool {
    // Celery and kombu write the names of Python's constants.
    switch text {
    case "required", "optional", "CERT_REQUIRED", "CERT_OPTIONAL": return true
    case "none", "CERT_NONE": return false
    default:
      throw ParseError(.parameter(name), "The parameter '\(name)' must be 'none', 'optional' or 'required'.")
    }
  }

  /// Percent-decodes once. A '%' without two hexadecimal digits is kept, as in Python's `unquote`.
  static func decode(
    _ text: Substring.UnicodeScalarView, as part: ParseError.Part, plusIsSpace: Bool = false
  ) throws(ParseError) -> String {
    var bytes: [UInt8] = []
    var rest = Substring(text).utf8[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2)
      if byte == UInt8(ascii: "%"), digits.count == 2, digits.allSatisfy(\.isHexadecimal),
        let value = UInt8(Substring(digits), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    guard let decoded = String(validating: bytes, as: UTF8.self) else {
      throw ParseError(part, "The \(part.name) is not UTF-8 after percent-decoding.")
    }
    guard !decoded.utf8.contains(0) else { throw ParseError(part, "The \(part.name) holds a NUL byte.") }
    return decoded
  }
}

extension RedisURL.ParseError.Part {
  fileprivate var name: String {
    switch self {
    case .scheme: "scheme"
    case .username: "user name"
    case .password: "password"
    case .host: "host"
    case .port: "port"
    case .database: "database"
    case .path: "path"
    case .fragment: "fragment"
    case .parameter(let name): "parameter '\(visible(name))'"
    }
  }
}

extension UInt8 {
  fileprivate var isHexadecimal: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }
}
