/// A table for people: columns aligned, numbers to the right, long texts cut to fit the width.
struct Table {
  struct Column {
    var title: String
    var isNumeric = false
    /// Gives way where the table is wider than the terminal.
    var isFlexible = false
  }

  var columns: [Column]
  var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  private static let gap = 2
  /// What a column that gives way keeps, if it needs it, so that a name can still be told from another.
  private static let leastFlexible = 16

  /// The columns of the terminal below which the lines would be cut more than is good.
  var leastWidth: Int {
    zip(columns, fullWidths).reduce(Table.gap * (columns.count - 1)) { sum, column in
      sum + (column.0.isFlexible ? min(column.1, Table.leastFlexible) : column.1)
    }
  }

  private var fullWidths: [Int] {
    columns.indices.map { index in
      rows.reduce(displayWidth(columns[index].title)) { max($0, displayWidth($1[index])) }
    }
  }

  /// The lines of the table, its heading first.
  func text(_ style: TerminalStyle) -> String {
    var lines: [String] = []
    forEachLine(style) { lines.append($0) }
    return lines.joined(separator: "\n")
  }

  /// The same one by one.
  func forEachLine(_ style: TerminalStyle, _ body: (String) throws -> Void) rethrows {
    var widths = fullWidths
    let excess = widths.reduce(Table.gap * (columns.count - 1), +) - style.tableWidth
    if excess > 0, let flexible = columns.firstIndex(where: \.isFlexible) {
      widths[flexible] = max(displayWidth(columns[flexible].title), widths[flexible] - excess)
    }
    func line(_ cells: [String]) -> String {
      var line = ""
      // Blanks are for what comes after them.
      var pending = 0
      for (index, cell) in cells.enumerated() {
        let cell = fitted(cell, to: widths[index], ellipsis: style.ellipsis)
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
    try body(style.bold(line(columns.map(\.title))))
    for row in rows { try body(line(row)) }
  }
}

/// Lines of a label and what there is to say, one below the other.
func labelled(_ lines: [(label: String, text: String)]) -> String {
  lines.map { label, text in label + String(repeating: " ", count: 10 - label.count) + text }
    .joined(separator: "\n")
}
