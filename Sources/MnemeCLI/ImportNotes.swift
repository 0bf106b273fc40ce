import Mneme

/// Facts about the lines of an import that its user should know. They are printed at the end.
struct ImportNotes {
  /// The name of a record of the file: line, element or row.
  let unit: String
  /// Vectors that were stored unchanged and cannot be compared.
  private var flawed = Tally()
  /// Exported entries that `put` would refuse.
  private var kept = Tally()
  /// Lines that were left out because they cannot be stored, and the reason for the first.
  private var invalid = Tally()
  private var firstReason = ""
  /// Entries that no reader of their file can use, the first few, and the reason for the first.
  private var unreadable: (count: Int, first: [Int], reason: String) = (0, [], "")
  /// Members that are not read.
  private var unknown = Tally()
  private var unknownNames: [String] = []

  /// A number of lines, and the first of them.
  private struct Tally {
    var count = 0
    var first = 0

    mutating func add(_ line: Int) {
      if count == 0 { first = line }
      count += 1
    }
  }

  init(unit: String) { self.unit = unit }

  /// - Parameter isRefusedByPut: `put` would not store it.
  mutating func take(_ draft: EntryLine.Draft, isRefusedByPut: Bool, line: Int) {
    if draft.flaw != nil { flawed.add(line) }
    if isRefusedByPut { kept.add(line) }
    guard !draft.unknownFields.isEmpty else { return }
    unknown.add(line)
    for name in draft.unknownFields where unknownNames.count < 8 && !unknownNames.contains(name) {
      unknownNames.append(name)
    }
  }

  mutating func leaveOut(_ line: Int, _ error: any Error) {
    if invalid.count == 0 {
      firstReason = (error as? InputError)?.message ?? (error as? any MnemeError)?.message ?? "\(error)"
    }
    invalid.add(line)
  }

  mutating func leaveOut(unreadable line: Int, _ error: UnreadableEntry) {
    if unreadable.count == 0 { unreadable.reason = error.reason }
    unreadable.count += 1
    if unreadable.first.count < 20 { unreadable.first.append(line) }
  }

  func print(_ context: Context) {
    func which(_ tally: Tally) -> String {
      tally.count == 1
        ? "\(unit) \(tally.first)" : "\(counted(tally.count, unit)), first \(unit) \(tally.first),"
    }
    func word(_ tally: Tally, _ one: String, _ many: String) -> String { tally.count == 1 ? one : many }
    if flawed.count > 0 {
      let vectors = flawed.count == 1 ? "the vector" : "\(grouped(flawed.count)) vectors, first that"
      context.warn(
        "\(vectors) of \(unit) \(flawed.first) cannot be compared: not of length 1, all zeros, or not finite; kept as "
          + "exported, and 'mneme inspect-keys --check' names what is stored")
    }
    if kept.count > 0 {
      context.warn(
        "\(which(kept)) \(word(kept, "was", "were")) kept as exported, although 'put' would refuse "
          + "\(word(kept, "it", "them")): too large, blank, an error message, or a time in the future; "
          + "'mneme list --unservable' lists what 'get' never serves")
    }
    if invalid.count > 0 {
      context.warn(
        "\(which(invalid)) \(word(invalid, "was", "were")) left out, because \(word(invalid, "it", "they")) cannot be "
          + "stored: \(firstReason)")
    }
    if unreadable.count > 0 {
      let more = unreadable.count - unreadable.first.count
      context.warn(
        "left out \(entryCount(unreadable.count)) that the Python library cannot read either, \(unit) "
          + list(unreadable.first.map(String.init)) + (more > 0 ? " and \(grouped(more)) more" : "")
          + ": \(unreadable.reason)")
    }
    // An unknown name may be a misspelled one.
    if unknown.count > 0 {
      context.note(
        "unknown fields were ignored, first on \(unit) \(unknown.first): \(list(unknownNames))")
    }
  }
}
