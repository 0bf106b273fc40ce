import CHiredis

/// The replies of one exchange as hiredis left them: see `CHiredis.h` for the layout.
///
/// Filled by one connection under its lock; once an exchange has ended it changes no more while anyone but the
/// connection holds it, which is what makes sharing it between threads safe.
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

  /// Forgets the replies, to hold those of the next exchange.
  func reset() { mneme_tape_reset(storage) }

  /// Copies a reply of another exchange behind the last one.
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
    // There is no arena before the first string that is not empty.
    guard let arena = storage.pointee.arena else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: arena + Int(node.value), count: Int(node.length))
  }
}
