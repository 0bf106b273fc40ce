#if Redis
  import CHiredis
  import Glibc

  /// hiredis's parser, and the tape that it fills.
  final class ReplyReader {
    private let parser: OpaquePointer
    /// The replies of the exchange under way, or of the last one.
    private(set) var tape: Tape

    /// - Parameter limit: the bytes that the replies of an exchange may take in memory.
    init(limit: Int) throws(ConnectionFailure) {
      tape = Tape(limit: limit)
      guard let parser = mneme_reader_new(tape.storage) else {
        throw ConnectionFailure(.system(SystemError(code: ENOMEM)))
      }
      self.parser = parser
    }

    deinit { mneme_reader_free(parser) }

    /// Begins an exchange. It uses the same tape if no replies from it are kept.
    func begin() {
      if isKnownUniquelyReferenced(&tape) {
        tape.reset()
      } else {
        tape = Tape(limit: tape.limit)
      }
      mneme_reader_use(parser, tape.storage)
    }

    /// Parses bytes, up to `wanted` replies on the tape. After an error the reader must not be used any more.
    func feed(_ bytes: UnsafeRawBufferPointer, wanted: Int) throws(ProtocolViolation) {
      var at = 0
      let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      let isFirst = tape.isEmpty
      let fault = mneme_reader_feed(parser, base, bytes.count, wanted, &at)
      guard fault != MNEME_FAULT_NONE else { return }
      throw ProtocolViolation(
        description: ReplyReader.words(for: fault, limit: tape.limit),
        opening: isFirst && at < 8 ? [UInt8](bytes.prefix(32)) : [])
    }

    private static func words(for fault: mneme_fault, limit: Int) -> String {
      switch fault {
      case MNEME_FAULT_TYPE: "a reply that begins like no reply of Redis"
      case MNEME_FAULT_NUMBER: "a length or an integer that is not a number"
      case MNEME_FAULT_LINE: "a status or an error of more than 64 KiB"
      case MNEME_FAULT_ENDING: "a reply whose length is not the one announced"
      case MNEME_FAULT_DEPTH: "arrays nested deeper than 7"
      case MNEME_FAULT_SIZE: "a reply of more than \(limit >> 20) MiB"
      case MNEME_FAULT_MEMORY: "a reply too large for the memory of this machine"
      case MNEME_FAULT_SURPLUS: "more replies than there were commands"
      default: "a reply that hiredis could not parse"
      }
    }
  }
#else
  /// The replacement of hiredis's parser in a build without it. It is never used: no connection can be made.
  final class ReplyReader {
    let tape: Tape

    init(limit: Int) throws(ConnectionFailure) { throw ConnectionFailure(.notBuilt) }

    func begin() {}
    func feed(_ bytes: UnsafeRawBufferPointer, wanted: Int) throws(ProtocolViolation) {}
  }
#endif
