import TestSupport
import Testing

@testable import MnemeRedis

/// Describes a parsed URL in one line: `endpoint db user password`, `-` for nothing.
private func summary(_ url: RedisURL) -> String {
  let scheme = url.usesTLS ? "tls " : ""
  return "\(scheme)\(url.endpoint) \(url.database) \(url.username ?? "-") \(url.password?.text ?? "-")"
}

@Suite("URLs")
struct RedisURLTests {
  @Test(
    "A URL has the same meaning as in redis-py",
    arguments: [
      ("redis://", "localhost:6379 0 - -"),
      ("redis://localhost", "localhost:6379 0 - -"),
      ("redis://localhost:6380/2", "localhost:6380 2 - -"),
      ("REDIS://LocalHost", "localhost:6379 0 - -"),
      ("redis://host/", "host:6379 0 - -"),
      ("redis://host:/3", "host:6379 3 - -"),
      ("redis://:6380", "localhost:6380 0 - -"),
      ("redis://host/3/", "host:6379 3 - -"),
      ("redis://host/%33", "host:6379 3 - -"),
      ("redis://host/007", "host:6379 7 - -"),
      ("redis://host/1?db=2", "host:6379 2 - -"),
      ("redis://host?db=2", "host:6379 2 - -"),
      ("redis://host/nonsense?db=2", "host:6379 2 - -"),
      ("redis://host/1?db=", "host:6379 1 - -"),
      ("redis://host?db=2&db=3", "host:6379 2 - -"),
      ("redis://[::1]", "[::1]:6379 0 - -"),
      ("redis://[::1]:6380/1", "[::1]:6380 1 - -"),
      ("redis://u:p@[fe80::1%25eth0]:6380", "[fe80::1%eth0]:6380 0 u p"),
      ("redis://user@host", "host:6379 0 user -"),
      ("redis://user:secret@host", "host:6379 0 user secret"),
      ("redis://:secret@host", "host:6379 0 - secret"),
      ("redis://:@host", "host:6379 0 - -"),
      ("redis://@host", "host:6379 0 - -"),
      ("redis://user:a:b@host", "host:6379 0 user a:b"),
      ("redis://user:a@b@host", "host:6379 0 user a@b"),
      ("redis://us%40er:p%2Fw%3F%23%40%3a@host", "host:6379 0 us@er p/w?#@:"),
      ("redis://:100%25@host", "host:6379 0 - 100%"),
      ("redis://:a%2541@host", "host:6379 0 - a%41"),
      ("redis://:50%zz%4@host", "host:6379 0 - 50%zz%4"),
      ("redis://:a+b@host", "host:6379 0 - a+b"),
      ("redis://:%C3%A9@host", "host:6379 0 - é"),
      ("redis://:a b@host", "host:6379 0 - a b"),
      ("redis://host?username=u&password=p%2Bq+r", "host:6379 0 u p+q r"),
      ("redis://a:b@host?username=u&password=p", "host:6379 0 a b"),
      ("redis://%6c%6Fcalhost", "localhost:6379 0 - -"),
      ("rediss://host", "tls host:6379 0 - -"),
      ("rediss://u:p@host:6380/1", "tls host:6380 1 u p"),
      ("unix:///run/redis.sock", "/run/redis.sock 0 - -"),
      ("unix:///run/redis.sock?db=3", "/run/redis.sock 3 - -"),
      ("unix://user:pass@/run/redis.sock?db=3", "/run/redis.sock 3 user pass"),
      ("Unix://:pass@/tmp/a%20b", "/tmp/a b 0 - pass"),
      ("unix:///7/8", "/7/8 0 - -"),
    ])
  func parses(text: String, expected: String) throws {
    #expect(summary(try RedisURL(text)) == expected)
  }

  @Test(
    "A URL that is wrong says which part is",
    arguments: [
      ("", .scheme),
      ("localhost:6379", .scheme),
      ("http://host", .scheme),
      ("redis:/host", .scheme),
      ("redis:host", .scheme),
      (" redis://host", .scheme),
      ("redis://host\n", .host),
      ("redis://host\u{0}", .host),
      ("redis://%00", .host),
      ("redis://%ff", .host),
      ("redis://[::1", .host),
      ("redis://[::1]x", .host),
      ("redis://[localhost]", .host),
      ("redis://::1", .host),
      ("unix://host/path", .host),
      ("redis://host:0", .port),
      ("redis://a,b", .host),
      ("redis+sentinel://a:0/m", .port),
      ("redis+sentinel://a,b", .path),
      ("redis+sentinel://a/", .path),
      ("redis+sentinel://a/m/x", .database),
      ("redis://host?sentinel_username=u", .parameter("sentinel_username")),
      ("redis://host:65536", .port),
      ("redis://host:-1", .port),
      ("redis://host:+1", .port),
      ("redis://host:12a", .port),
      ("redis://host:99999999999999999999", .port),
      ("redis://host/x", .database),
      ("redis://host/-1", .database),
      ("redis://host/1/2", .database),
      ("redis://host/1.5", .database),
      ("redis://host/99999999999", .database),
      ("redis://host?db=x", .database),
      ("redis://host/0#part", .fragment),
      ("unix://", .path),
      ("unix:///", .path),
      ("unix:///" + String(repeating: "p", count: 107), .path),
      ("redis://u%ff@host", .username),
      ("redis://:p%ff@host", .password),
      ("redis://:p%00@host", .password),
      ("redis://:pa/ss@host", .password),
      ("redis://:pa#ss@host", .password),
      ("redis://user:p@a?ss@host", .password),
      ("redis://h1:6379,h2:6379/0", .host),
      ("redis://host?client_name=a%20b%0A", .parameter("client_name")),
      ("redis://host?host=other", .parameter("host")),
      ("redis://host?credential_provider=x", .parameter("credential_provider")),
      ("rediss://host?ssl_min_version=TLSv1_3", .parameter("ssl_min_version")),
      ("rediss://host?ssl_ca_path=/etc/ssl", .parameter("ssl_ca_path")),
      ("rediss://host?ssl_cert_reqs=CERT_MAYBE", .parameter("ssl_cert_reqs")),
      ("redis://host?=5", .parameter("")),
      ("redis://host?DB=5", .parameter("DB")),
      ("redis://host?socket_timeout=soon", .parameter("socket_timeout")),
      ("redis://host?socket_timeout=0", .parameter("socket_timeout")),
      ("redis://host?socket_timeout=-1", .parameter("socket_timeout")),
      ("redis://host?socket_timeout=nan", .parameter("socket_timeout")),
      ("redis://host?socket_connect_timeout=inf", .parameter("socket_connect_timeout")),
      ("redis://host?ssl_ca_certs=/ca.pem", .parameter("ssl_ca_certs")),
      ("rediss://host?ssl_cert_reqs=maybe", .parameter("ssl_cert_reqs")),
      ("rediss://host?ssl_check_hostname=2", .parameter("ssl_check_hostname")),
      ("redis://host?client_name=%ff", .parameter("client_name")),
    ] as [(String, RedisURL.ParseError.Part)])
  func refuses(text: String, part: RedisURL.ParseError.Part) {
    let error = #expect(throws: RedisURL.ParseError.self) { try RedisURL(text) }
    #expect(error?.part == part)
    #expect(error?.description.isEmpty == false)
  }

  @Test("The parameters of the query are read")
  func parameters() throws {
    let url = try RedisURL(
      "rediss://host?socket_timeout=2.5&socket_connect_timeout=1&client_name=job-1&ssl_cert_reqs=none"
        + "&ssl_ca_certs=%2Fca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem&ssl_check_hostname=False")
    #expect(url.commandTimeout == .seconds(2.5))
    #expect(url.connectTimeout == .seconds(1))
    #expect(url.clientName == "job-1")
    #expect(url.tls.verifiesCertificate == false)
    #expect(url.tls.caFile == "/ca.pem")
    #expect(url.tls.certificateFile == "/c.pem")
    #expect(url.tls.keyFile == "/k.pem")
    #expect(url.tls.verifiesHostname == false)
    #expect(try RedisURL("rediss://host?ssl_cert_reqs=required").tls.verifiesCertificate == true)
    #expect(try RedisURL("rediss://host?ssl_check_hostname=yes").tls.verifiesHostname == true)
    #expect(try RedisURL("rediss://host").tls == TLSOptions())
  }

  @Test("Parameters of redis-py that concern a pool or a client are ignored, and can be named")
  func ignored() throws {
    let url = try RedisURL(
      "redis://host/3?health_check_interval=30&protocol=3&max_connections=50&retry_on_timeout=True"
        + "&socket_keepalive=True&decode_responses=True&timeout=20&socket_timeout=2")
    #expect(summary(url) == "host:6379 3 - -")
    #expect(url.commandTimeout == .seconds(2))
    #expect(
      url.ignoredParameters == [
        "decode_responses", "health_check_interval", "max_connections", "protocol", "retry_on_timeout",
        "socket_keepalive", "timeout",
      ])
    #expect(try RedisURL("redis://host?db=1").ignoredParameters.isEmpty)
    for (text, verifies) in [
      ("CERT_NONE", false), ("CERT_OPTIONAL", true), ("CERT_REQUIRED", true), ("none", false),
      ("required", true),
    ] {
      #expect(try RedisURL("rediss://host?ssl_cert_reqs=\(text)").tls.verifiesCertificate == verifies)
    }
  }

  @Test("An unknown parameter is an error that names the known ones")
  func unknownParameter() {
    let error = #expect(throws: RedisURL.ParseError.self) { try RedisURL("redis://host?sockettimeout=1") }
    #expect(error?.description.contains("socket_timeout") == true)
    #expect(error?.description.contains("client_name") == true)
  }

  @Test(
    "For a URL without a scheme, or with that of another program, the error has the URL that was meant",
    arguments: [
      ("host:6379", "redis://host:6379"), ("localhost", "redis://localhost"),
      ("cache.example.com", "redis://cache.example.com"), ("10.0.0.1:6380/2", "redis://10.0.0.1:6380/2"),
      ("/run/redis.sock", "unix:///run/redis.sock"), ("redis+socket:///run/r.sock", "unix:///run/r.sock"),
      ("redis+unix:///run/r.sock", "unix:///run/r.sock"), ("tcp://host/1", "redis://host/1"),
      ("sentinel://host/m", "redis+sentinel://host/m"), ("user:pa55@host:6379", nil), ("pa55word", nil),
      ("http://host", "redis://host"), ("", nil), ("host:port", nil), ("tcp://:pa55@host", nil),
    ])
  func suggestion(text: String, meant: String?) throws {
    let error = #expect(throws: RedisURL.ParseError.self) { try RedisURL(text) }
    #expect(error?.suggestion == meant)
    if let meant { _ = try RedisURL(meant) }
  }

  @Test(
    "A URL is shown with its password masked, on one line",
    arguments: [
      ("redis://user:pa55@host:6380/2", "redis://user:***@host:6380/2"),
      ("redis://:pa55@host", "redis://:***@host:6379/0"),
      ("redis://host?password=pa55", "redis://:***@host:6379/0"),
      ("redis://user@host", "redis://user@host:6379/0"),
      ("valkey://user@host/1", "redis://user@host:6379/1"), ("valkeys://host", "rediss://host:6379/0"),
      ("redis+sentinel://user:pa55@a:1,B/svc", "redis+sentinel://user:***@a:1,b:26379/svc/0"),
      ("rediss+sentinel://[::1]:5/a%20b/2", "rediss+sentinel://[::1]:5/a b/2"),
      ("redis+sentinel://a/svc?sentinel_password=pa55", "redis+sentinel://a:26379/svc/0"),
      ("rediss://[::1]", "rediss://[::1]:6379/0"),
      ("unix://:pa55@/run/r.sock", "unix://:***@/run/r.sock"),
      ("unix:///run/r.sock?db=4", "unix:///run/r.sock?db=4"),
      ("redis://us%0Aer%1b:pa55@host", "redis://us\\ner^[:***@host:6379/0"),
    ])
  func masks(text: String, shown: String) throws {
    let url = try RedisURL(text)
    #expect(url.description == shown)
    var dumped = ""
    dump(url, to: &dumped)
    #expect(!dumped.contains("pa55"))
    #expect(!String(reflecting: url).contains("pa55"))
  }

  @Test(
    "No error about a URL contains text that may be its password",
    arguments: [
      "redis://user:pa55", "redis://:pa55/x@host", "redis://:x/pa55@host", "redis://:x?pa55@host",
      "redis://:x#pa55@host", "redis://:pa55@host:port", "redis://:pa55@host/db", "redis://:pa55@ho:st:1",
      "redis://:pa55%ff@host", "redis://host?password=pa55%ff", "redis://x@y?pa55@host", "redis:/:pa55@host",
      "redis://host/pa55", "redis://host?db=pa55",
    ])
  func keepsSecrets(text: String) {
    let error = #expect(throws: RedisURL.ParseError.self) { try RedisURL(text) }
    #expect(error?.description.contains("pa55") == false)
    if case .parameter(let name)? = error?.part { #expect(!name.contains("pa55")) }
  }

  @Test("Whatever a URL is made of, parsing ends with a URL or an error, and a URL shows on one line")
  func fuzz() throws {
    let pieces = [
      "redis", "rediss", "unix", "REDIS", "://", ":", "/", "//", "@", "?", "#", "[", "]", "::1", "%", "%41",
      "%00",
      "%ff", "%C3%A9", "é", "e\u{301}", "🇩🇪", "\u{0}", "\n", "+", "&", "=", "db", "db=1", "password=",
      "secret", "6379",
      "65536", "99999999999999999999", "-1", "host", "user", "ssl_cert_reqs=none", "socket_timeout=1e400",
      ".", "\r",
      "\u{202e}", "\u{feff}", "socket_timeout", "username", String(repeating: "x", count: 300),
    ]
    var random = SeededGenerator()
    var parsed = 0
    let rounds = Effort.rounds(5000, thorough: 10_000)
    for _ in 0..<rounds {
      var text =
        Bool.random(using: &random)
        ? ["redis://", "rediss://", "unix://"].randomElement(using: &random)! : ""
      for _ in 0..<Int.random(in: 0...9, using: &random) { text += pieces.randomElement(using: &random)! }
      if let url = try? RedisURL(text) {
        parsed += 1
        #expect(!url.description.unicodeScalars.contains { $0.value < 0x20 })
      }
    }
    #expect(parsed > rounds / 200 || rounds < 1000)
  }
}
