/// The vectors of one namespace, each compared with the query of every search.
///
/// A row takes a byte for each number, a quarter of the vector. It has its own scale, and a bound for the error of its
/// similarity to a query. So a search finds the entries that can be among the nearest, and their vectors in the store
/// decide (`Neighbours`). The result is that of float32, which would take four times the memory.
///
/// Most rows are in `base`, which does not change and is in memory or in a file. Later changes are kept separately
/// until there are so many (`isWorn`) that a new base is made.
///
/// It is a value: a copy can be searched while another one is updated.
package struct VectorIndex: Sendable {
  /// The length of every vector.
  package var dimension: Int { layout.dimension }

  let layout: RowLayout
  var base: VectorRows
  /// The rows added since the base was made. If an entry has several, the one in `latest` is used.
  private(set) var added: MemoryRows
  /// The row of each entry in `added`.
  private(set) var latest: [EntryID: Int] = [:]
  /// Entries whose rows in the base are not used: they are gone, or their vectors were written again.
  private(set) var hidden: Set<EntryID> = []

  /// - Precondition: `dimension` is positive.
  package init(dimension: Int) {
    let layout = RowLayout(dimension: dimension)
    self.init(base: .memory(MemoryRows(layout)), layout)
  }

  init(base: VectorRows, _ layout: RowLayout) {
    self.base = base
    self.layout = layout
    added = MemoryRows(layout)
  }

  /// Whether there is nothing to find.
  package var isEmpty: Bool { latest.isEmpty && base.count <= hidden.count }

  /// The number of rows, including those that are not used any more.
  var rowCount: Int { base.count + added.count }

  /// The number of changes since the base was made.
  var changeCount: Int { added.count + hidden.count }

  /// Whether so much has changed that a new base should be made: a sixty-fourth of a base in a file, because all
  /// changes are read and written with each change, or a quarter of one in memory.
  var isWorn: Bool {
    switch base {
    case .file: changeCount > max(1024, min(16_384, base.count / 64))
    case .memory: changeCount > max(1024, base.count / 4)
    }
  }

  /// Adds or replaces the vector of an entry. Bytes that are not a vector of the dimension, or that cannot be
  /// compared, are kept too, and every search returns them.
  /// - Parameter bytes: `dimension` × little-endian float32, of any alignment.
  package mutating func set(_ id: EntryID, _ bytes: UnsafeRawBufferPointer) {
    set([(id, bytes)])
  }

  mutating func set(_ vectors: some Sequence<(EntryID, UnsafeRawBufferPointer)>) {
    let quantizer = RowQuantizer(layout)
    for (id, bytes) in vectors {
      let (block, row) = note(id)
      quantizer.fill(row, of: block, id, bytes)
    }
  }

  /// Adds a row from a file.
  mutating func set(_ id: EntryID, row: Int, of block: RowBlock) {
    let new = note(id)
    new.block.copy(new.row, from: block, row)
  }

  private mutating func note(_ id: EntryID) -> (block: RowBlock, row: Int) {
    if base.count > 0 { hidden.insert(id) }
    latest[id] = added.count
    return added.append()
  }

  /// Takes the vector of an entry out, if there is one.
  package mutating func remove(_ id: EntryID) {
    latest[id] = nil
    if base.count > 0 { hidden.insert(id) }
  }

  /// Passes each block to `body` with its number of rows, and a function that returns whether a row is used.
  /// - Throws: `DamagedIndex` if the base cannot be read, and the errors of `body`.
  func forEachBlock(_ body: (RowBlock, Int, (_ row: Int) -> Bool) throws -> Void) throws {
    try base.forEachBlock { block, rows in
      try body(block, rows) { hidden.isEmpty || !hidden.contains(EntryID(block.ids[$0])) }
    }
    for number in 0..<added.blockCount {
      let block = added.block(number)
      try body(block, added.rows(ofBlock: number)) { row in
        latest[EntryID(block.ids[row])] == number * layout.rows + row
      }
    }
  }

  /// Appends the used rows to another base.
  /// - Throws: the errors of the builder; `DamagedIndex` if the base cannot be read.
  func write(to builder: VectorRowsBuilder) throws {
    try forEachBlock { block, rows, counts in
      for row in 0..<rows where counts(row) { try builder.append(row, of: block) }
    }
  }
}

/// A file of rows that has changed since it was written.
struct DamagedIndex: Error {}

/// Rows that do not change any more.
enum VectorRows: Sendable {
  case memory(MemoryRows)
  case file(FileRows)

  var count: Int {
    switch self {
    case .memory(let rows): rows.count
    case .file(let rows): rows.count
    }
  }

  /// Passes each block with the number of its rows that are in use.
  /// - Throws: `DamagedIndex`, and what the body throws.
  func forEachBlock(_ body: (RowBlock, Int) throws -> Void) throws {
    switch self {
    case .memory(let rows):
      for number in 0..<rows.blockCount { try body(rows.block(number), rows.rows(ofBlock: number)) }
    case .file(let rows): try rows.forEachBlock(body)
    }
  }
}

/// Collects the rows of a base. If they go to a file, only one block is in memory.
final class VectorRowsBuilder {
  let layout: RowLayout
  private let quantizer: RowQuantizer
  private var memory: MemoryRows
  private let makeFile: () -> IndexFileWriter?
  /// The file; nil before the first block is full, and if the rows stay in memory.
  private(set) var file: IndexFileWriter?
  private var isFirstBlock = true
  private var written = 0
  private var step = 1
  private var spread: [EntryID] = []
  private var last: [EntryID] = []

  /// - Parameter makeFile: called when the first block is full. Fewer rows are as quickly read from the store. nil: the
  ///   rows stay in memory.
  init(_ layout: RowLayout, makeFile: @escaping () -> IndexFileWriter? = { nil }) {
    self.layout = layout
    self.makeFile = makeFile
    quantizer = RowQuantizer(layout)
    memory = MemoryRows(layout)
  }

  var count: Int { written + memory.count }

  /// Some of the entries: the last ones, and others from all over the rows, the first half of them too.
  var someIDs: [EntryID] {
    last + [0, 1].flatMap { start in stride(from: start, to: spread.count, by: 2).map { spread[$0] } }
  }

  /// - Throws: `SystemFailure` if the file cannot be written. The builder must then not be used any more.
  func append(_ id: EntryID, _ bytes: UnsafeRawBufferPointer) throws {
    let (block, row) = memory.append()
    quantizer.fill(row, of: block, id, bytes)
    try finishRow(id, block)
  }

  func append(_ row: Int, of other: RowBlock) throws {
    let (block, new) = memory.append()
    block.copy(new, from: other, row)
    try finishRow(EntryID(other.ids[row]), block)
  }

  private func finishRow(_ id: EntryID, _ block: RowBlock) throws {
    if (count - 1) % step == 0 {
      spread.append(id)
      if spread.count > 32 {
        spread = stride(from: 0, to: spread.count, by: 2).map { spread[$0] }
        step *= 2
      }
    }
    last.append(id)
    if last.count > 8 { last.removeFirst() }
    try writeWhenFull(block)
  }

  private func writeWhenFull(_ block: RowBlock) throws {
    guard memory.count % layout.rows == 0 else { return }
    if isFirstBlock {
      isFirstBlock = false
      file = makeFile()
    }
    if file != nil { try write(block) }
  }

  private func write(_ block: RowBlock) throws {
    block.seal(count: memory.count)
    try file?.write(UnsafeRawBufferPointer(start: block.start, count: layout.byteCount))
    written += memory.count
    memory.removeAll()
  }

  /// The rows; `file` has still to be kept under its name.
  func finish() throws -> VectorRows {
    guard let file else { return .memory(memory) }
    if memory.count > 0 { try write(memory.block(0)) }
    return .file(FileRows(file: file.file, layout: layout, count: written))
  }
}
