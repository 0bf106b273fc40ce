import Foundation
import Glibc
import Synchronization
import TestSupport

@testable import MnemeRedis

/// Something that listens and then does what a test wants: no Redis, or one that breaks off.
///
/// Each connection gets a thread of its own; it ends when the script does, and with it the connection.
final class ScriptedServer: Sendable {
  private let listener: Listener
  private let received = Mutex<[[UInt8]]>([])

  /// - Parameter script: what to do with a connection, and its number from 0 on.
  init(_ script: @escaping @Sendable (Peer, Int) throws -> Void) throws {
    listener = try Listener()
    listener.serve { [received = Unowned(self)] connection, index in
      try script(Peer(connection, log: received), index)
    }
  }

  deinit { listener.stop() }

  var port: Int { listener.port }
  var url: String { "redis://127.0.0.1:\(listener.port)" }

  /// All that was received, one element a connection that sent something.
  var conversations: [String] { received.withLock { $0.map { String(decoding: $0, as: UTF8.self) } } }

  fileprivate func note(_ bytes: ArraySlice<UInt8>, in conversation: inout Int?) {
    received.withLock { all in
      if conversation == nil {
        conversation = all.count
        all.append([])
      }
      all[conversation!] += bytes
    }
  }

  /// The accepting thread must not keep the server alive.
  fileprivate struct Unowned: @unchecked Sendable {
    weak var server: ScriptedServer?
    init(_ server: ScriptedServer) { self.server = server }
  }
}

/// The far end of a connection, in a script's hands.
final class Peer: @unchecked Sendable {
  private let connection: Descriptor
  private let log: ScriptedServer.Unowned
  private var conversation: Int?
  private var parser = RESPParser()

  fileprivate init(_ connection: Descriptor, log: ScriptedServer.Unowned) {
    self.connection = connection
    self.log = log
  }

  private var descriptor: Int32 { connection.number }

  /// Some bytes; none at the end.
  @discardableResult
  func receive() -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = max(0, recv(descriptor, &buffer, buffer.count, 0))
    log.server?.note(buffer[..<count], in: &conversation)
    return Array(buffer[..<count])
  }

  /// The next command, in words; nil at the end.
  func nextCommand() -> [String]? {
    while true {
      if let command = try? parser.next() { return command.texts }
      let bytes = receive()
      if bytes.isEmpty { return nil }
      parser.append(bytes)
    }
  }

  /// Reads commands up to one with this name.
  func awaitCommand(_ name: String) {
    while let command = nextCommand(), command[0] != name {}
  }

  func send(_ bytes: some Sequence<UInt8>) {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      rest.removeFirst(count)
    }
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Takes the greeting and answers it as Redis 5 would.
  func greet() {
    awaitCommand("HELLO")
    send("+OK\r\n-ERR unknown command\r\n")
  }

  /// Takes the empty transaction that a client sends before its first, and answers it.
  func takeEmptyTransaction() {
    awaitCommand("EXEC")
    send("+OK\r\n*0\r\n")
  }

  /// Answers each command until the client has gone.
  func serve(_ answer: ([String]) -> String) {
    while let command = nextCommand() { send(answer(command)) }
  }

  /// Stands between the client and a server on 127.0.0.1 until so many bytes have come from there. Then it hangs
  /// up, or passes on no more.
  func forward(toPort port: Int, limit: Int, stalls: Bool) throws {
    let server = try Descriptor(connectedTo: port)
    var left = limit
    while true {
      var entries = [descriptor, server.number].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      guard poll(&entries, 2, 5000) > 0 else { return }
      if entries[0].revents != 0 {
        let bytes = receive()
        if bytes.isEmpty { return }
        try server.writeAll(bytes)
      }
      if entries[1].revents != 0 {
        let bytes = try server.readSome()
        send(bytes.prefix(left))
        left -= min(left, bytes.count)
        if bytes.isEmpty || left == 0 { break }
      }
    }
    if stalls { waitForEnd() }
  }

  /// Waits until the client has gone.
  func waitForEnd() { while !receive().isEmpty {} }

  /// Ends the connection with a reset.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}
