import CommandGrammar

/// An invented program for a larder, which uses every feature of the grammar.
enum SampleProgram {
  enum When: String, CaseIterable, Sendable {
    case auto, always, never
  }

  enum Order: String, CaseIterable, Sendable {
    case name, age, amount
  }

  // Options of every command.
  static let home = Option(
    "home", short: "H", value: .directory(), environment: ["LARDER_HOME", "HOME_LARDER"],
    default: "/var/lib/larder",
    group: .place, summary: "keep the larder in this directory",
    details: "It is made when it is not there, but only by {command:add}.")
  static let patience = Option(
    "patience", value: .duration(in: .milliseconds(1)...(.longest), milliseconds: true),
    environment: ["LARDER_PATIENCE"], default: .seconds(5), group: .place,
    summary: "how long to wait for the door")
  static let json = Switch("json", group: .output, summary: "print JSON")
  static let quiet = Switch("quiet", short: "q", group: .output, summary: "say nothing but errors")
  static let verbose = Switch("verbose", short: "v", group: .output, summary: "say what is done")
  static let color = Option(
    "color", value: .choice(When.self, "WHEN"), default: .auto, group: .output, summary: "when to use colour",
    details: "With `auto`, only on a terminal, and not when {env:NO_COLOR} is set.")

  // Options of some commands.
  static let shelf = Option(
    "shelf", short: "s", value: .text("SHELF", completion: .dynamic("shelves"), allowsEmpty: false),
    default: "middle", summary: "the shelf")
  static let keeps = Option(
    "keeps", value: .duration(in: .seconds(1)...(.longest)), summary: "how long it keeps",
    details: """
      If not given, for ever. Written as:

      - *seconds*, when it is a bare number;
      - parts from long to short, as in `1h30m`.

      Then {command:throw-out} finds it:

          larder throw-out --dry-run
      """)
  static let price = Option("price", value: .number("PRICE", 0...1000), summary: "what it cost")
  static let label = Option(
    repeating: "label", short: "l", value: .text("WORD"), summary: "a word to find it by")
  static let note = Option("note-file", value: .file(), summary: "take the note from this file")
  static let limit = Option("limit", value: .count("N", 1...Int.max), summary: "show so many at most")
  static let order = Option(
    "order", value: .choice(Order.self, "ORDER"), default: .name, summary: "what to sort by")
  static let dryRun = Switch("dry-run", short: "n", summary: "only say what would be done")
  static let all = Switch("all", summary: "everything on every shelf")
  static let temperature = Option(
    "temperature", short: "t", value: .integer("DEGREES", -40...60), summary: "how cold it has to be")

  static let item = Argument("ITEM", summary: "what to put there")
  static let amount = Argument(
    optional: "AMOUNT", value: .integer("AMOUNT", 1...100), summary: "how many of it")
  static let items = Argument(
    repeating: "ITEM", value: .text(completion: .dynamic("items")), summary: "what to throw away")
  static let file = Argument(
    optional: "FILE", value: .file(), summary: "where to read from; `-` is standard input")
  static let words = Argument(repeating: "WORD", atLeast: 1, summary: "what to look for")
  static let shell = Argument("SHELL", value: .choice(Shell.self, "SHELL"), summary: "which shell")

  static let add = CommandSpec(
    name: "add", group: .daily, summary: "put something on a shelf",
    description: "Puts {arg:ITEM} on the shelf that {option:shelf} names, {arg:AMOUNT} times.",
    arguments: [item, amount], options: [shelf, keeps, price, label, note, temperature],
    rules: [.atMostOne(of: label, note)],
    examples: [
      Example(command: "larder add 'plum jam' 3 --keeps 52w", says: "three jars that keep for a year"),
      Example(command: "larder list --json | larder load -", says: "puts all of it there once more"),
    ],
    exitNotes: [ExitNote(1, "The shelf is full.")])
  static let list = CommandSpec(
    name: "list", group: .daily, summary: "show what is there", description: "Shows a row for each item.",
    options: [shelf, limit, order],
    examples: [
      Example(command: "LARDER_HOME=/srv/larder larder list -s top > /tmp/list", says: "writes it down")
    ])
  static let find = CommandSpec(
    name: "find", group: .daily, summary: "look for items by their words", arguments: [words],
    options: [limit],
    seeAlso: ["grep(1)"])
  static let throwOut = CommandSpec(
    name: "throw-out", group: .upkeep, summary: "throw away what no longer keeps", arguments: [items],
    options: [all, dryRun, shelf], rules: [.exactlyOne(of: items, all), .dependency(of: shelf, on: all)])
  static let load = CommandSpec(
    name: "load", group: .upkeep, summary: "read a list from a file", arguments: [file], options: [dryRun])
  static let eat = CommandSpec(
    name: "eat", group: .upkeep, summary: "refused: a larder does not eat", isMinor: true, isOffered: false)
  static let completions = CommandSpec(
    name: "completions", group: .upkeep, summary: "print a completion script", arguments: [shell])

  static let grammar = Grammar(
    program: "larder", version: "2.3.4", date: "2026-05-17", summary: "keep a larder in order",
    description: "Keeps a list of what is where. See {option:home} for where the list is kept.",
    globalOptions: [home, patience, json, quiet, verbose, color], rules: [.atMostOne(of: quiet, verbose)],
    commands: [add, list, find, throwOut, load, completions, eat],
    examples: [Example(command: "larder list", says: "shows what is there")],
    environmentNotes: [NamedNote("NO_COLOR", "Turns colour off, whatever its value.")],
    exitStatuses: [ExitNote(0, "Done."), ExitNote(1, "The answer is no."), ExitNote(64, "A usage error.")],
    files: [NamedNote("/var/lib/larder", "The list.")],
    seeAlso: ["cellar(1)"])
}

extension Group {
  fileprivate static let daily = Group("Daily")
  fileprivate static let upkeep = Group("Upkeep")
  fileprivate static let place = Group("Place")
  fileprivate static let output = Group("Output")
}
