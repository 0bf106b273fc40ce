import Glibc
import Synchronization

/// The answers of a server, in the order in which it is asked. An answer is either bytes as they are, and then the end
/// (it begins with the byte 1), or says by single bytes how a reply is put together:
///
///     2 null · 3 a line such as ":1" or "-ERR no" · 4 an array · 5 its end · 6 between two strings
///     anything else a string, up to the next of these
struct Answers: Sendable {
  private var answers: ArraySlice<[UInt8]>
  private let answersGreeting: Bool
  private let answersMeta: Bool

  /// - Parameters:
  ///   - answersGreeting: what a new connection asks is answered with these too; else as a server of one's own does.
  ///   - answersMeta: so is the question for the cache's identity; else it is that of a cache of two dimensions.
  init(_ answers: [[UInt8]] = [], answersGreeting: Bool = false, answersMeta: Bool = false) {
    self.answers = answers.prefix(256)
    (self.answersGreeting, self.answersMeta) = (answersGreeting, answersMeta)
  }

  /// The reply to a command, and whether it is the last; nil if there are no more.
  mutating func next(to command: [[UInt8]]) -> (bytes: [UInt8], isLast: Bool)? {
    let name = String(decoding: command[0], as: UTF8.self)
    if !answersGreeting {
      if name == "CLIENT" { return (Array("+OK\r\n".utf8), false) }
      if name == "HELLO" { return (Self.array(["version", "7.0.1", "mode", "standalone"]), false) }
    }
    if !answersMeta, name == "HMGET", command[1].suffix(5).elementsEqual(":meta".utf8) {
      let known = ["embedder_fingerprint": "f", "embedder_dim": "2", "schema_version": "1"]
      return (Self.array(command.dropFirst(2).map { known[String(decoding: $0, as: UTF8.self)] }), false)
    }
    guard let answer = answers.popFirst() else { return nil }
    if answer.first == 1 { return (Array(answer.dropFirst()), true) }
    var rest = answer[...]
    return (Self.reply(&rest, depth: 0), false)
  }

  private static func array(_ elements: [String?]) -> [UInt8] {
    let strings = elements.map { $0.map { "$\($0.utf8.count)\r\n\($0)\r\n" } ?? "$-1\r\n" }
    return Array(("*\(elements.count)\r\n" + strings.joined()).utf8)
  }

  private static func reply(_ rest: inout ArraySlice<UInt8>, depth: Int) -> [UInt8] {
    func text() -> [UInt8] {
      let text = rest.prefix { !(1...6).contains($0) }
      rest = rest.dropFirst(text.count)
      return Array(text)
    }
    let sign = rest.first ?? 0
    if (1...5).contains(sign) { rest.removeFirst() }
    switch sign {
    case 2: return Array("$-1\r\n".utf8)
    case 3: return line(text().filter { $0 != 10 && $0 != 13 })
    case 4 where depth < 6:
      var elements: [[UInt8]] = []
      while let next = rest.first, next != 5 {
        if next == 6 { rest.removeFirst() }
        elements.append(reply(&rest, depth: depth + 1))
      }
      rest = rest.dropFirst()
      return Array("*\(elements.count)\r\n".utf8) + elements.joined()
    default:
      let text = text()
      return Array("$\(text.count)\r\n".utf8) + text + [13, 10]
    }
  }

  /// A line that is a number, a status or an error unchanged; any other becomes an error.
  private static func line(_ text: [UInt8]) -> [UInt8] {
    let words = String(decoding: text.dropFirst(), as: UTF8.self)
    switch text.first {
    case UInt8(ascii: ":") where Int64(words).map { String($0) == words } ?? false: return text + [13, 10]
    case UInt8(ascii: "+"), UInt8(ascii: "-"): return text + [13, 10]
    default: return [UInt8(ascii: "-")] + text + [13, 10]
    }
  }
}

/// A server in this process, on a Unix socket: it answers each command with the next of the answers, and hangs up when
/// there are no more.
final class AnsweringServer: @unchecked Sendable {
  static let shared = AnsweringServer()

  let path: String
  private let listener: Int32
  private let current = Mutex(Answers())
  /// Counts connections that have ended.
  private let ended: UnsafeMutablePointer<sem_t>

  var answers: Answers {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  private init() {
    path = "/tmp/mneme-fuzz-\(getpid()).socket"
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    ended = .allocate(capacity: 1)
    sem_init(ended, 0, 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    unlink(path)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    expect(status == 0 && listen(listener, 16) == 0, "no socket at \(path): \(errno)")
    atexit { unlink("/tmp/mneme-fuzz-\(getpid()).socket") }
    var thread = pthread_t()
    pthread_create(&thread, nil, { _ in AnsweringServer.shared.serve() }, nil)
  }

  /// Waits until no earlier connection can take an answer that is meant for the next run.
  func awaitEnd(of connections: Int) {
    for _ in 0..<connections {
      while sem_wait(ended) != 0 {}
    }
  }

  private func serve() -> UnsafeMutableRawPointer? {
    while true {
      let connection = accept(listener, nil, nil)
      guard connection >= 0 else { continue }
      converse(connection)
      close(connection)
      sem_post(ended)
    }
  }

  private func converse(_ connection: Int32) {
    var requests = Requests()
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { return }
      requests.pending += buffer[..<count]
      var reply: [UInt8] = []
      var isLast = false
      while !isLast, let command = requests.next() {
        guard let next = current.withLock({ $0.next(to: command) }) else {
          isLast = true
          break
        }
        reply += next.bytes
        isLast = next.isLast
      }
      guard send(connection, reply, reply.count, Int32(MSG_NOSIGNAL)) == reply.count, !isLast else {
        // Commands that the client still sends are read, so that it reads the answers.
        shutdown(connection, Int32(SHUT_WR))
        while read(connection, &buffer, buffer.count) > 0 {}
        return
      }
    }
  }
}

/// Commands, as mneme's client encodes them.
private struct Requests {
  var pending: [UInt8] = []

  /// The words of the next command that is there as a whole.
  mutating func next() -> [[UInt8]]? {
    var at = 0
    guard let count = number(&at) else { return nil }
    var words: [[UInt8]] = []
    for _ in 0..<count {
      guard let length = number(&at), at + length + 2 <= pending.count else { return nil }
      words.append(Array(pending[at..<at + length]))
      at += length + 2
    }
    pending.removeFirst(at)
    return words
  }

  /// The number in a line such as `*2` or `$3`.
  private func number(_ at: inout Int) -> Int? {
    guard let end = pending[min(at, pending.count)...].firstIndex(of: 13), end + 1 < pending.count else {
      return nil
    }
    defer { at = end + 2 }
    return Int(String(decoding: pending[(at + 1)..<end], as: UTF8.self))
  }
}
