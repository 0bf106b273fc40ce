import CHiredis

/// The replies of one exchange as hiredis left them: see `CHiredis.h` for the layout.
///
/// One connection fills it under its lock. After the exchange it does not change as long as replies are kept, so it
/// can be shared between threads.
final class Tape: @unchecked Sendable {
  let storage: UnsafeMutablePointer<mneme_tape>

  /// - Parameter limit: the bytes that all replies of an exchange may take together.
  init(limit: Int) {
    storage = .allocate(capacity: 1)
    mneme_tape_init(storage, limit)
  }

  deinit {
    mneme_tape_free(storage)
    storage.deallocate()
  }

  /// Drops the replies, so that the tape can be used for the next exchange.
  func reset() { mneme_tape_reset(storage) }

  /// Appends a copy of a reply of another exchange.
  func append(copying reply: Reply) {
    guard mneme_tape_append_copy(storage, reply.tape.storage, reply.index) else {
      fatalError("out of memory")
    }
  }

  var rootCount: Int { storage.pointee.root_count }
  var limit: Int { storage.pointee.limit }
  var isEmpty: Bool { storage.pointee.node_count == 0 }

  func root(_ position: Int) -> Int { Int(storage.pointee.roots[position]) }

  func node(_ index: Int) -> mneme_node { storage.pointee.nodes[index] }

  func bytes(of node: mneme_node) -> UnsafeRawBufferPointer {
    // The arena does not exist before the first string that is not empty.
    guard let arena = storage.pointee.arena else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: arena + Int(node.value), count: Int(node.length))
  }
}
