import Glibc

/// Memory straight from the kernel, zeroed, of which only what is touched is taken.
///
/// Large ones ask for huge pages: filling a matrix costs a page fault for every 4 KiB otherwise, as much as all
/// the rest of the work.
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
    // Huge pages start at multiples of their size; the kernel's choice need not.
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
    // Advice: a kernel without huge pages does as well, only slower.
    _ = madvise(start, count, MADV_HUGEPAGE)
  }

  deinit {
    if let base = mapping.baseAddress { munmap(base, mapping.count) }
  }
}
