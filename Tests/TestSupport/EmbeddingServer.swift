import Foundation
import Synchronization

/// A server on 127.0.0.1 that speaks the OpenAI protocol and Ollama's, well or as badly as a test wants.
///
/// Its vectors count words: texts that share words lie close together. Each connection has a thread of its own and is
/// kept from request to request.
package final class EmbeddingServer: Sendable {
  package struct Request: Sendable {
    package var path: String
    /// By lower-case names.
    package var headers: [String: String]
    package var body: JSONValue

    package var texts: [String] { body["input"].array?.compactMap(\.string) ?? [] }
  }

  package enum Answer: Sendable {
    /// The right one: a vector of so many numbers for each text.
    case vectors(dimension: Int)
    /// Numbers in the form in which they are written, an array for each text.
    case numbers([String])
    case status(Int, body: String = "", headers: [String] = [])
    /// A body with status 200.
    case body(String)
    /// Nothing for that long, then the right answer.
    case late(Duration, dimension: Int)
    /// The right answer, in pieces of a few bytes.
    case chunked(dimension: Int)
    /// Half of the right answer, and the end of the connection.
    case cutOff(dimension: Int)
    /// These bytes, and the end of the connection.
    case raw(String)
    /// The end of the connection.
    case hangUp
  }

  private let listener: Listener
  private let log = Log()

  private final class Log: Sendable {
    let requests = Mutex<[Request]>([])
  }

  /// - Parameter answer: what to say to a request, and how many came before it.
  package init(_ answer: @escaping @Sendable (Request, Int) -> Answer) throws {
    ignoreBrokenPipes()
    listener = try Listener()
    listener.serve { [log] connection, _ in try EmbeddingServer.serve(connection, log, answer) }
  }

  /// One that always answers right.
  package convenience init(dimension: Int) throws { try self.init { _, _ in .vectors(dimension: dimension) } }

  deinit { listener.stop() }

  package var port: Int { listener.port }
  package var url: String { "http://127.0.0.1:\(port)" }
  package var requests: [Request] { log.requests.withLock { $0 } }

  /// The variables by which the command finds it, by both protocols.
  package var environment: [String: String] {
    ["OPENAI_BASE_URL": url + "/v1", "OLLAMA_HOST": "127.0.0.1:\(port)"]
  }

  /// Counts the words of each of `dimension` kinds in the text. The last number is always 1.
  package static func vector(for text: String, dimension: Int) -> [Double] {
    var vector = [Double](repeating: 0, count: dimension)
    for word in text.split(separator: " ") {
      let hash = word.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
        ($0 ^ UInt64($1)) &* 1_099_511_628_211
      }
      vector[Int(hash % UInt64(dimension - 1))] += 1
    }
    vector[dimension - 1] = 1
    return vector
  }

  // MARK: HTTP

  private static func serve(
    _ connection: Descriptor, _ log: Log, _ answer: (Request, Int) -> Answer
  ) throws {
    var bytes: [UInt8] = []
    while let request = try nextRequest(on: connection, &bytes) {
      let count = log.requests.withLock { requests in
        requests.append(request)
        return requests.count - 1
      }
      guard try send(answer(request, count), to: request, on: connection) else { return }
    }
  }

  private static func nextRequest(on connection: Descriptor, _ bytes: inout [UInt8]) throws -> Request? {
    func receive() throws -> Bool {
      guard try connection.isReadable(until: Deadline(in: patience)) else { return false }
      let piece = try connection.readSome()
      bytes += piece
      return !piece.isEmpty
    }
    let blank = Array("\r\n\r\n".utf8)
    while true {
      if let end = bytes.firstRange(of: blank) {
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
          let parts = line.split(separator: ":", maxSplits: 1)
          headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        let length = Int(headers["content-length"] ?? "0") ?? 0
        while bytes.count < end.upperBound + length { guard try receive() else { return nil } }
        let body = Array(bytes[end.upperBound..<end.upperBound + length])
        bytes.removeFirst(end.upperBound + length)
        return Request(
          path: String(lines[0].split(separator: " ")[1]), headers: headers,
          body: (try? JSONValue(bytes: body)) ?? .null)
      }
      guard try receive() else { return nil }
    }
  }

  /// - Returns: whether the connection stays open.
  private static func send(_ answer: Answer, to request: Request, on connection: Descriptor) throws -> Bool {
    func right(_ dimension: Int) -> String {
      body(for: request, request.texts.map { "\(vector(for: $0, dimension: dimension))" })
    }
    func write(_ status: Int, _ body: String, _ headers: [String] = []) throws {
      let head = ["HTTP/1.1 \(status) Status", "Content-Type: application/json"] + headers
      let text = (head + ["Content-Length: \(body.utf8.count)"]).joined(separator: "\r\n") + "\r\n\r\n" + body
      try connection.writeAll(Array(text.utf8))
    }
    switch answer {
    case .vectors(let dimension): try write(200, right(dimension))
    case .numbers(let arrays): try write(200, body(for: request, arrays))
    case .status(let status, let body, let headers): try write(status, body, headers)
    case .body(let body): try write(200, body)
    case .late(let span, let dimension):
      usleep(UInt32(span.components.seconds * 1_000_000))
      try write(200, right(dimension))
    case .chunked(let dimension):
      try connection.writeAll(Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8))
      let bytes = Array(right(dimension).utf8)
      for start in stride(from: 0, to: bytes.count, by: 100) {
        let piece = Array(bytes[start..<min(start + 100, bytes.count)])
        let size = Array((String(piece.count, radix: 16) + "\r\n").utf8)
        try connection.writeAll(size + piece + Array("\r\n".utf8))
      }
      try connection.writeAll(Array("0\r\n\r\n".utf8))
    case .cutOff(let dimension):
      let body = Array(right(dimension).utf8)
      try connection.writeAll(Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n".utf8))
      try connection.writeAll(Array(body.prefix(body.count / 2)))
      return false
    case .raw(let text):
      try connection.writeAll(Array(text.utf8))
      return false
    case .hangUp: return false
    }
    return true
  }

  /// The vectors as the protocol that was asked by has them.
  private static func body(for request: Request, _ arrays: [String]) -> String {
    if request.path.hasSuffix("/api/embed") {
      return "{\"model\":\"m\",\"embeddings\":[\(arrays.joined(separator: ","))]}"
    }
    let elements = arrays.enumerated().map {
      "{\"object\":\"embedding\",\"index\":\($0),\"embedding\":\($1)}"
    }
    return "{\"object\":\"list\",\"data\":[\(elements.joined(separator: ","))],\"model\":\"m\"}"
  }
}
