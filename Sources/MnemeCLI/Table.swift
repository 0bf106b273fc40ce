/// A table: columns aligned, numbers to the right, long texts cut to fit the width.
struct Table {
  struct Column {
    var title: String
    var isNumeric = false
    /// Whether the column shrinks if the table is wider than the terminal.
    var isFlexible = false
    /// Whether the column shrinks before others do.
    var yieldsFirst = false
    /// Whether the column holds names. They often begin alike, so they are cut in the middle.
    var isName = false
  }

  var columns: [Column]
  var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  private static let gap = 2
  /// The width to which a flexible column may shrink. With fewer columns names would look alike.
  private static let leastFlexible = 16

  /// The least width of a terminal for which all columns keep a useful width.
  var leastWidth: Int {
    zip(columns, fullWidths).reduce(Table.gap * (columns.count - 1)) { sum, column in
      sum + (column.0.isFlexible ? min(column.1, Table.leastFlexible) : column.1)
    }
  }

  /// The width to which a flexible column is padded if nothing is cut, as in a pipe. So one long name does not make
  /// every line as long as its own.
  private static let mostPadding = 64

  private var fullWidths: [Int] {
    columns.indices.map { index in
      rows.reduce(displayWidth(columns[index].title)) { max($0, displayWidth($1[index])) }
    }
  }

  /// Returns the widths of the columns in a table that is not wider than the terminal, if the flexible columns allow
  /// it.
  private func widths(in available: Int) -> [Int] {
    var widths = fullWidths
    if available == .max {
      for index in columns.indices where columns[index].isFlexible {
        widths[index] = min(widths[index], Self.mostPadding)
      }
      return widths
    }
    let flexible = columns.indices.filter { columns[$0].isFlexible }
    var room = available - Table.gap * (columns.count - 1)
    for column in columns.indices where !columns[column].isFlexible { room -= widths[column] }
    // The narrowest columns get the width that they need, and the others equal shares of the rest.
    for yieldsFirst in [false, true] {
      let theirs = flexible.filter { columns[$0].yieldsFirst == yieldsFirst }
      let kept = yieldsFirst ? [] : flexible.filter { columns[$0].yieldsFirst }
      let keptRoom = kept.reduce(0) { $0 + min(widths[$1], Self.leastFlexible) }
      for (place, column) in theirs.sorted(by: { widths[$0] < widths[$1] }).enumerated() {
        let share = max(0, room - keptRoom) / (theirs.count - place)
        widths[column] = max(displayWidth(columns[column].title), min(widths[column], share))
        room -= widths[column]
      }
    }
    return widths
  }

  /// The lines of the table, its heading first.
  func text(_ style: TerminalStyle) -> String {
    var lines: [String] = []
    forEachLine(style) { lines.append($0) }
    return lines.joined(separator: "\n")
  }

  /// Passes each line of the table to a function.
  func forEachLine(_ style: TerminalStyle, _ body: (String) throws -> Void) rethrows {
    let widths = widths(in: style.tableWidth)
    try body(style.bold(line(columns.map(\.title), widths, style)))
    for row in rows { try body(line(row, widths, style)) }
  }

  private func line(_ cells: [String], _ widths: [Int], _ style: TerminalStyle) -> String {
    var line = ""
    // Blanks are written only before a following cell, so that no line ends in blanks.
    var pending = 0
    for (index, cell) in cells.enumerated() {
      let cell =
        style.tableWidth == .max
        ? cell
        : fitted(cell, to: widths[index], keepsEnd: columns[index].isName, ellipsis: style.ellipsis)
      let padding = max(0, widths[index] - displayWidth(cell))
      if columns[index].isNumeric { pending += padding }
      if !cell.isEmpty {
        line += String(repeating: " ", count: pending) + cell
        pending = 0
      }
      pending += Table.gap + (columns[index].isNumeric ? 0 : padding)
    }
    return line
  }

  /// Prints any number of rows as they come. The first thousand rows decide the widths of the columns.
  struct Printer {
    private var table: Table
    private var widths: [Int]?
    private let output: Output
    private static let rowsThatTell = 1000

    init(_ columns: [Column], on output: Output) {
      (table, self.output) = (Table(columns), output)
    }

    mutating func print(_ row: [String]) throws {
      if let widths { return try output.print(table.line(row, widths, output.style)) }
      table.rows.append(row)
      if table.rows.count == Self.rowsThatTell { try finish() }
    }

    /// Prints the remaining rows.
    mutating func finish() throws {
      guard widths == nil, !table.rows.isEmpty else { return }
      widths = table.widths(in: output.style.tableWidth)
      try table.forEachLine(output.style) { try output.print($0) }
      table.rows = []
    }
  }
}

/// Returns lines of a label and a text, with the texts aligned.
func labelled(_ lines: [(label: String, text: String)]) -> String {
  lines.map { label, text in label + String(repeating: " ", count: 10 - label.count) + text }
    .joined(separator: "\n")
}
