import Mneme

/// The address of a cache's Redis, and the user's credentials.
///
///     redis://[[user][:password]@]host[:port][/db]        over TCP
///     rediss://…                                          the same over TLS
///     unix://[[user][:password]@]/path[?db=N]             over a Unix socket
///     redis+sentinel://[[user][:password]@]host[:port][,host[:port]…]/service[/db]
///                                                         the primary that Sentinels name; rediss+sentinel://: over
///                                                         TLS
///
/// `valkey` and `valkeys` are other names of `redis` and `rediss`. The port of a Sentinel is 26379 if not given.
///
/// The defaults are `localhost`, 6379, database 0 and no password. The rules are those of redis-py's `from_url`, so
/// that a URL of the Python library works here too. But mistakes that redis-py ignores, such as a database that is not
/// a number, are errors.
///
/// The description never shows the password: `redis://user:***@host:6379/0`.
public struct RedisURL: Sendable, Hashable {
  /// Host and port, or the path of a Unix socket.
  public var endpoint: Endpoint
  /// `rediss://`.
  public var usesTLS: Bool
  /// nil: the server's default user.
  public var username: String?
  /// The number that `SELECT` takes; 0 if the URL has none.
  public var database: Int
  /// From `client_name`; nil: the name in `ConnectionOptions`.
  public var clientName: String?
  /// From `socket_connect_timeout`.
  public var connectTimeout: Duration?
  /// From `socket_timeout`.
  public var commandTimeout: Duration?
  /// The Sentinels to ask for the primary; nil if the URL names the server itself.
  var sentinels: Sentinels?
  /// The names of parameters that redis-py takes and that change nothing here.
  public internal(set) var ignoredParameters: [String] = []
  /// From the `ssl_` parameters.
  public var tls: TLSOptions
  var password: Secret?

  /// The host, if the URL names none.
  public static let defaultHost = "localhost"
  /// The port, if the URL names none.
  public static let defaultPort: UInt16 = 6379

  /// Whether the URL has a password. The password itself is not public.
  public var hasPassword: Bool { password != nil }

  init(endpoint: Endpoint, usesTLS: Bool = false) {
    self.endpoint = endpoint
    self.usesTLS = usesTLS
    database = 0
    tls = TLSOptions()
  }
}

extension RedisURL: CustomStringConvertible {
  /// The whole URL but for its query parameters, with `***` for the password. One line, whatever was in it.
  public var description: String {
    guard let sentinels else { return description(at: endpoint) }
    let hosts = sentinels.endpoints.map(\.description).joined(separator: ",")
    return visible(
      "\(usesTLS ? "rediss" : "redis")+sentinel://\(credentials)\(hosts)/\(sentinels.service)/\(database)")
  }

  /// The user and the masked password, with the `@` after them.
  private var credentials: String {
    let user = username ?? ""
    return username == nil && password == nil ? "" : password == nil ? "\(user)@" : "\(user):***@"
  }

  /// The description for another node of a cluster.
  func description(at endpoint: Endpoint) -> String {
    let text =
      switch endpoint {
      case .tcp: "\(usesTLS ? "rediss" : "redis")://\(credentials)\(endpoint)/\(database)"
      case .unix(let path): "unix://\(credentials)\(path)\(database == 0 ? "" : "?db=\(database)")"
      }
    return visible(text)
  }
}

/// The Sentinels of a URL, and the service that they monitor.
struct Sentinels: Sendable, Hashable {
  var endpoints: [Endpoint]
  /// The name of the primary in the configuration of the Sentinels.
  var service: String
  /// The user at the Sentinels, if they have users of their own.
  var username: String?
  var password: Secret?

  static let defaultPort: UInt16 = 26379
}

/// A text that is never shown: neither `print` nor `dump` shows it.
struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  let text: String

  init(_ text: String) { self.text = text }

  var description: String { "***" }
  var debugDescription: String { "***" }
  var customMirror: Mirror { Mirror(self, children: []) }
}
