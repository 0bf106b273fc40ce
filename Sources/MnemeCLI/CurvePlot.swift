import Mneme

/// Precision, recall and F1 over the threshold, drawn with letters: small enough for every terminal.
///
///     1.0 |PPPPPPP
///         |RRFFFFF
///     0.5 |  RRRRR
///         +-------
///          0.50    0.99
struct CurvePlot {
  let curve: [Calibration.Point]

  private static let rows = 11

  /// The lines of the plot. Where curves meet, the letter that comes last in `PRF` is shown.
  var text: String {
    let spots = curve.map { point in
      [("P", point.precision), ("R", point.recall), ("F", point.f1)].map { letter, value in
        (letter, row: Int((value * Double(Self.rows - 1)).rounded()))
      }
    }
    var lines = (0..<Self.rows).reversed().map { row in
      let label = row % 5 == 0 ? decimals(Double(row) / Double(Self.rows - 1), 1) : "   "
      let cells = spots.map { spot in spot.last { $0.row == row }?.0 ?? " " }.joined()
      return "\(label) |\(cells)"
    }
    lines.append("    +" + String(repeating: "-", count: curve.count))
    let (first, last) = (curve.first?.threshold ?? 0, curve.last?.threshold ?? 0)
    let gap = String(repeating: " ", count: max(1, curve.count - 8))
    lines.append(
      "     " + decimals(first, 2) + gap + decimals(last, 2) + "  threshold; P precision, R recall, F F1")
    return lines.joined(separator: "\n")
  }
}
