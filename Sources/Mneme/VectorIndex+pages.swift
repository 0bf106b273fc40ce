import Glibc

/// Zeroed memory from the kernel. Only pages that are used take physical memory.
///
/// For large areas huge pages are requested. Otherwise a page fault for every 4 KiB takes as long as all the other
/// work of filling a matrix.
struct Pages: ~Copyable {
  let start: UnsafeMutableRawPointer
  let count: Int
  private let mapping: UnsafeMutableRawBufferPointer

  private static let hugePage = 2 << 20

  init(count: Int) {
    self.count = count
    guard count > 0 else {
      mapping = UnsafeMutableRawBufferPointer(start: nil, count: 0)
      start = UnsafeMutableRawPointer(bitPattern: Self.hugePage)!
      return
    }
    // Huge pages start at multiples of their size, and the address that the kernel chooses may not.
    let isHuge = count >= Self.hugePage
    let mapped = isHuge ? count + Self.hugePage : count
    guard
      let base = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      base != MAP_FAILED
    else { fatalError("out of memory: \(mapped) bytes for vectors") }
    mapping = UnsafeMutableRawBufferPointer(start: base, count: mapped)
    guard isHuge else {
      start = base
      return
    }
    start = base.alignedUp(toMultipleOf: Self.hugePage)
    // This is only advice. Without huge pages everything works, but slower.
    _ = madvise(start, count, MADV_HUGEPAGE)
  }

  deinit {
    if let base = mapping.baseAddress { munmap(base, mapping.count) }
  }
}
