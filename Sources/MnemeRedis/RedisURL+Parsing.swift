extension RedisURL {
  /// The reason why a text is not the URL of a Redis, and the part that is wrong. Quotes nothing that could be a
  /// password.
  public struct ParseError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The parts that a URL is made of.
    public enum Part: Sendable, Equatable {
      case scheme, username, password, host, port, database, path, fragment
      /// The parameter's name.
      case parameter(String)
    }

    /// The part that is wrong.
    public let part: Part
    /// The fault, as a sentence.
    public let description: String
    /// The URL that was probably meant.
    public let suggestion: String?

    init(_ part: Part, _ description: String, suggestion: String? = nil) {
      self.part = part
      self.description = description
      self.suggestion = suggestion
    }
  }

  /// Parses a URL.
  /// - Throws: `ParseError`, which says which part is wrong.
  public init(_ text: String) throws(ParseError) {
    if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
      throw ParseError(.host, "The URL holds a control character, perhaps the end of a line.")
    }
    let (scheme, rest) = try RedisURL.splitScheme(text)
    let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
    let authority = rest[..<authorityEnd]
    let tail = rest[authorityEnd...]
    do {
      self = try RedisURL.parse(scheme: scheme, authority: authority, tail: tail)
    } catch {
      // The rest may be part of a password, which no message may quote.
      guard tail.contains("@") else { throw error }
      throw ParseError(
        .password,
        "The URL has an '@' after a '/', '?' or '#': in a user name or password these must be percent-encoded"
          + " (%2F, %3F, %23).")
    }
  }

  private enum Scheme {
    case redis, rediss, unix, sentinel, sentinels

    var usesTLS: Bool { self == .rediss || self == .sentinels }
    var isSentinel: Bool { self == .sentinel || self == .sentinels }
  }

  private static func splitScheme(_ text: String) throws(ParseError) -> (Scheme, Substring.UnicodeScalarView)
  {
    let scalars = text.unicodeScalars[...]
    let name = scalars.prefix { $0 != ":" }
    let rest = scalars[name.endIndex...]
    if rest.starts(with: "://".unicodeScalars) {
      let rest = rest.dropFirst(3)
      switch Substring(name).lowercased() {
      case "redis", "valkey": return (.redis, rest)
      case "rediss", "valkeys": return (.rediss, rest)
      case "unix": return (.unix, rest)
      case "redis+sentinel": return (.sentinel, rest)
      case "rediss+sentinel": return (.sentinels, rest)
      default: break
      }
    }
    throw ParseError(
      .scheme, "The URL must begin with redis://, rediss://, unix:// or redis+sentinel://.",
      suggestion: probableURL(text))
  }

  /// The URL that was probably meant by a host, a path, or a URL with the scheme of another program; nil if that
  /// is not clear, or if it may contain a password.
  private static func probableURL(_ text: String) -> String? {
    guard !text.utf8.contains(UInt8(ascii: "@")), !text.utf8.contains(UInt8(ascii: "?")) else { return nil }
    let others = [
      "tcp": "redis", "sentinel": "redis+sentinel", "redis-sentinel": "redis+sentinel",
      "redis+socket": "unix", "redis+unix": "unix",
      "socket": "unix", "http": "redis", "https": "rediss",
    ]
    let scalars = text.unicodeScalars
    let scheme = scalars.prefix { $0 != ":" }
    let rest = scalars[scheme.endIndex...]
    if rest.starts(with: "://".unicodeScalars) {
      return others[Substring(scheme).lowercased()].map { $0 + String(Substring(rest)) }
    }
    if scalars.first == "/" { return "unix://\(text)" }
    // `redis:/host`, `redis//host`
    for scheme in ["redis", "rediss"] where text.hasPrefix(scheme + ":/") || text.hasPrefix(scheme + "//") {
      return scheme + "://" + text.dropFirst(scheme.count).drop { $0 == ":" || $0 == "/" }
    }
    let host = scalars.prefix { $0 != ":" && $0 != "/" }
    let isHost = host.allSatisfy {
      $0.properties.isAlphabetic || ("0"..."9").contains($0) || ".-".unicodeScalars.contains($0)
    }
    let port = scalars[host.endIndex...].dropFirst().prefix { $0 != "/" }
    let hasPort = scalars[host.endIndex...].first == ":" && decimal(port) != nil
    let isNamed = Substring(host) == "localhost" || host.contains(".")
    return !host.isEmpty && isHost && (hasPort || rest.isEmpty && isNamed) ? "redis://\(text)" : nil
  }

  private static func parse(
    scheme: Scheme, authority: Substring.UnicodeScalarView, tail: Substring.UnicodeScalarView
  ) throws(ParseError) -> RedisURL {
    if tail.contains("#") {
      throw ParseError(
        .fragment, "The URL has a fragment; a '#' that belongs to a part of it is written %23.")
    }
    let at = authority.lastIndex(of: "@")
    let host = at.map { authority[authority.index(after: $0)...] } ?? authority
    let path = tail.prefix { $0 != "?" }
    let query = tail[path.endIndex...].dropFirst()

    var url: RedisURL
    var databasePath = path
    if scheme.isSentinel {
      let sentinels = try sentinels(hosts: host, path: &databasePath)
      url = RedisURL(endpoint: sentinels.endpoints[0], usesTLS: scheme.usesTLS)
      url.sentinels = sentinels
    } else {
      url = RedisURL(endpoint: try endpoint(scheme, host: host, path: path), usesTLS: scheme.usesTLS)
    }
    try url.readCredentials(authority[..<(at ?? authority.startIndex)])
    let parameters = try readParameters(query)
    if scheme != .unix, parameters["db"] == nil { url.database = try database(ofPath: databasePath) }
    try url.apply(parameters)
    return url
  }

  private mutating func readCredentials(_ text: Substring.UnicodeScalarView) throws(ParseError) {
    let name = text.prefix { $0 != ":" }
    let secret = text[name.endIndex...].dropFirst()
    if !name.isEmpty { username = try RedisURL.decode(name, as: .username) }
    if !secret.isEmpty { password = Secret(try RedisURL.decode(secret, as: .password)) }
  }

  private static func endpoint(
    _ scheme: Scheme, host: Substring.UnicodeScalarView, path: Substring.UnicodeScalarView
  ) throws(ParseError) -> Endpoint {
    guard scheme == .unix else {
      let (name, port) = try splitPort(host)
      return .tcp(host: name, port: port)
    }
    guard host.isEmpty else {
      throw ParseError(.host, "A unix:// URL has no host: the path begins with a third '/'.")
    }
    let decoded = try decode(path, as: .path)
    guard decoded.utf8.count > 1 else { throw ParseError(.path, "The unix:// URL names no socket.") }
    guard decoded.utf8.count < 108 else {
      throw ParseError(.path, "The path of a Unix socket has at most 107 bytes.")
    }
    return .unix(path: decoded)
  }

  /// `host[:port][,host[:port]…]` and `/service[/db]`.
  /// - Parameter path: is set to the part after the service.
  private static func sentinels(
    hosts: Substring.UnicodeScalarView, path: inout Substring.UnicodeScalarView
  ) throws(ParseError) -> Sentinels {
    var endpoints: [Endpoint] = []
    for text in hosts.split(separator: ",", omittingEmptySubsequences: false) {
      let (name, port) = try splitPort(text, default: Sentinels.defaultPort)
      endpoints.append(.tcp(host: name, port: port))
    }
    let service = path.dropFirst().prefix { $0 != "/" }
    guard !service.isEmpty else {
      throw ParseError(
        .path,
        "The URL of Sentinels names the service after the hosts: redis+sentinel://host:26379/mymaster.")
    }
    path = path[service.endIndex...]
    return Sentinels(endpoints: endpoints, service: try decode(service, as: .path))
  }

  /// `host`, `host:port`, `[v6]` or `[v6]:port`.
  private static func splitPort(
    _ text: Substring.UnicodeScalarView, default defaultPort: UInt16 = RedisURL.defaultPort
  ) throws(ParseError) -> (host: String, port: UInt16) {
    var name = text.prefix { $0 != ":" }
    var rest = text[name.endIndex...]
    if text.first == "[" {
      guard let close = text.firstIndex(of: "]") else {
        throw ParseError(.host, "The '[' of an IPv6 address has no ']'.")
      }
      name = text[text.index(after: text.startIndex)..<close]
      rest = text[text.index(after: close)...]
      guard name.contains(":"), rest.isEmpty || rest.first == ":" else {
        throw ParseError(.host, "Put an IPv6 address between '[' and ']', then ':' and the port.")
      }
    } else if text.contains(",") {
      throw ParseError(
        .host, "The URL names several hosts. Sentinels are written redis+sentinel://host,host/service.")
    } else if rest.dropFirst().contains(":") {
      throw ParseError(.host, "Put an IPv6 address in brackets: [::1]:6379.")
    }
    // Host names are case-insensitive. redis-py makes them lower case.
    let host = try decode(name, as: .host).lowercased()
    let digits = rest.dropFirst()
    guard !digits.isEmpty else { return (host.isEmpty ? defaultHost : host, defaultPort) }
    guard let number = decimal(digits), let port = UInt16(exactly: number), port > 0 else {
      throw ParseError(.port, "The port is a number from 1 to 65535.")
    }
    return (host.isEmpty ? defaultHost : host, port)
  }

  private static func database(ofPath path: Substring.UnicodeScalarView) throws(ParseError) -> Int {
    var digits = try decode(path, as: .database)[...].unicodeScalars
    if digits.first == "/" { digits = digits.dropFirst() }
    if digits.last == "/" { digits = digits.dropLast() }
    if digits.isEmpty { return 0 }
    return try database(digits)
  }

  static func database(_ digits: Substring.UnicodeScalarView) throws(ParseError) -> Int {
    guard let number = decimal(digits), number <= Int(Int32.max) else {
      throw ParseError(.database, "The database is a number: redis://host:6379/0.")
    }
    return number
  }

  /// Reads a number that consists of digits only; nil if it does not, or if it is too large.
  static func decimal(_ digits: Substring.UnicodeScalarView) -> Int? {
    guard !digits.isEmpty, digits.allSatisfy({ "0"..."9" ~= $0 }) else { return nil }
    return Int(Substring(digits))
  }
}
