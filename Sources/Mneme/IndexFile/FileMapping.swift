import Glibc

/// A file in memory, read only. It must not be changed in place while it is mapped: whoever makes a new one renames
/// it over the old, of which the mapping keeps the old bytes.
final class FileMapping {
  let bytes: UnsafeRawBufferPointer

  /// Maps a file that is open for reading; the descriptor may be closed afterwards. nil where that cannot be.
  init?(_ descriptor: Int32, byteCount: Int) {
    // All pages at once: one fault for each would take as long as the search.
    let address = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE | Int32(MAP_POPULATE), descriptor, 0)
    guard byteCount > 0, let address, address != MAP_FAILED else { return nil }
    bytes = UnsafeRawBufferPointer(start: address, count: byteCount)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
}
