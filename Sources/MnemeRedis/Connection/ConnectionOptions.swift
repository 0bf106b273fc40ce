/// Settings of a connection that override those of the URL. If a setting is nil, the URL is used, then the default.
public struct ConnectionOptions: Sendable {
  /// The user, which overrides that of the URL.
  public var username: String?
  /// The password, which overrides that of the URL.
  public var password: String? {
    get { secret?.text }
    set { secret = newValue.map(Secret.init) }
  }
  private var secret: Secret?

  /// The time limit for name resolution, connection, TLS handshake and the server's first reply together. Default 5 s.
  public var connectTimeout: Duration?
  /// The time limit for the replies to one request. It starts again with every 64 KiB transferred, so that it does not
  /// end a long transfer. Default 30 s.
  public var commandTimeout: Duration?
  /// The settings of TLS. They are used with `rediss://` alone.
  public var tls = TLSOptions()
  /// The name of the connection in the server's `CLIENT LIST`, if the URL has none. No blanks.
  public var clientName = "mneme"

  /// The default, if neither the options nor the URL give another.
  public static let defaultConnectTimeout = Duration.seconds(5)
  /// The default, if neither the options nor the URL give another.
  public static let defaultCommandTimeout = Duration.seconds(30)

  /// Makes options that override nothing.
  public init() {}
}

/// The verification of a TLS server, and the client certificate. A nil value is left to the URL.
public struct TLSOptions: Sendable, Hashable {
  /// PEM file of the authorities to trust instead of the system's.
  public var caFile: String?
  /// PEM file of the client's certificate chain.
  public var certificateFile: String?
  /// PEM file of the client's key; by default the certificate's file.
  public var keyFile: String?
  /// Whether the certificate is verified. If false, any certificate is accepted, and the connection can be intercepted.
  /// Default true.
  public var verifiesCertificate: Bool?
  /// Whether the certificate must be for this host. Default true.
  public var verifiesHostname: Bool?

  /// Makes the default options: the server is verified, and there is no client certificate.
  public init() {}

  /// The file of the client's key; nil if no certificate is used.
  public var privateKeyFile: String? { keyFile ?? certificateFile }

  /// Returns these options, with the values of `others` where these are nil.
  public func overriding(_ others: TLSOptions) -> TLSOptions {
    var merged = others
    merged.caFile = caFile ?? others.caFile
    // A key belongs to the certificate of the same source.
    if certificateFile != nil {
      merged.certificateFile = certificateFile
      merged.keyFile = keyFile
    } else if keyFile != nil {
      merged.keyFile = keyFile
    }
    merged.verifiesCertificate = verifiesCertificate ?? others.verifiesCertificate
    merged.verifiesHostname = verifiesHostname ?? others.verifiesHostname
    return merged
  }
}
