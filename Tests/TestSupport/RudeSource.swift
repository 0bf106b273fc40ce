import Foundation

/// Input from a TCP connection that ends with an error, unlike a file.
package final class RudeSource {
  private let listener: Listener
  private var reader: Descriptor?

  package init() throws {
    ignoreBrokenPipes()
    listener = try Listener()
  }

  package var port: Int { listener.port }

  /// Waits for a reader, and sends.
  package func send(_ bytes: [UInt8]) throws {
    let reader = try reader ?? listener.accept()
    self.reader = reader
    try reader.writeAll(bytes)
  }

  /// Ends the connection so that reading from it fails.
  package func reset() throws {
    guard let reader else { return }
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(reader.number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    self.reader = nil
  }
}
