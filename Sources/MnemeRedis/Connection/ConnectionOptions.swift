/// Settings of a connection that go before those of the URL. nil leaves a setting to the URL, and then to the default.
public struct ConnectionOptions: Sendable {
  /// In place of the URL's user and password: from a file, the environment or a terminal.
  public var username: String?
  /// In place of the URL's password.
  public var password: String? {
    get { secret?.text }
    set { secret = newValue.map(Secret.init) }
  }
  private var secret: Secret?

  /// For the name, the connection, TLS and the server's first answer together. Default 5 s.
  public var connectTimeout: Duration?
  /// The time limit for the replies to one request. It starts again with every 64 KiB that are moved, so that it
  /// ends silence and not a long transfer. Default 30 s.
  public var commandTimeout: Duration?
  /// The settings of TLS. They are used with `rediss://` alone.
  public var tls = TLSOptions()
  /// The name of the connection in the server's `CLIENT LIST`, where the URL does not say. No blanks.
  public var clientName = "mneme"

  /// The default, if neither the options nor the URL give another.
  public static let defaultConnectTimeout = Duration.seconds(5)
  /// The default, if neither the options nor the URL give another.
  public static let defaultCommandTimeout = Duration.seconds(30)

  /// Makes options that leave everything to the URL.
  public init() {}
}

/// The way in which a TLS server is verified, and the certificate that it is shown. nil: not said.
public struct TLSOptions: Sendable, Hashable {
  /// PEM file of the authorities to trust in place of the system's.
  public var caFile: String?
  /// PEM file of the client's certificate chain.
  public var certificateFile: String?
  /// PEM file of the client's key; default: in the certificate's file.
  public var keyFile: String?
  /// false: any certificate will do, and anyone can listen. Default true.
  public var verifiesCertificate: Bool?
  /// false: the certificate may be for another host. Default true.
  public var verifiesHostname: Bool?

  /// Makes options with nothing said: the server is verified, and no certificate shown.
  public init() {}

  /// The file of the client's key; nil if no certificate is used.
  public var privateKeyFile: String? { keyFile ?? certificateFile }

  /// These options, and those of `others` for what these leave open.
  public func overriding(_ others: TLSOptions) -> TLSOptions {
    var merged = others
    merged.caFile = caFile ?? others.caFile
    // A key without a word on the certificate belongs to the certificate of the same source.
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
