import Mneme
import MnemeRedis

extension KeyRecord {
  private var name: String { String(decoding: key, as: UTF8.self) }

  var json: JSONOutput {
    [
      "key": JSONOutput(name), "family": JSONOutput(family?.rawValue), "type": JSONOutput(type),
      "ttl": JSONOutput(ttl), "memory_bytes": JSONOutput(memoryBytes),
      "namespace": JSONOutput(namespace?.name),
    ]
  }

  func line(_ style: TerminalStyle) -> String {
    let ttl = ttl.map { "  expires in \(span($0.rawValue))" } ?? ""
    let memory = memoryBytes.map { "  \(size($0))" } ?? ""
    // The backslash is escaped too, so that each line stands for exactly one key.
    let name = replacing(Array("\\".utf8), with: Array("\\\\".utf8), in: name)
    return visible(name) + (style.outputIsTerminal ? "  \(type)\(memory)\(ttl)" : "")
  }
}

extension OtherCache {
  private var name: String { String(decoding: keyPrefix, as: UTF8.self) }
  var json: JSONOutput { ["key_prefix": JSONOutput(name), "keys": JSONOutput(keys)] }
  var line: String { "the cache \(visible(name)): \(counted(keys, "key"))" }
}

struct KeySurveyReport: Report {
  var keyPrefix: String
  /// The namespace to which the command was limited.
  var namespace: Namespace?
  var survey: KeySurvey

  var json: JSONOutput { .object(members + [("problems", [])]) }

  /// The members of the report, without the problems.
  var members: [(String, JSONOutput)] {
    var members: [(String, JSONOutput)] = [
      ("key_prefix", JSONOutput(keyPrefix)), ("keys", JSONOutput(survey.keys)),
      ("memory_bytes", JSONOutput(survey.memoryBytes)), ("memory_exact", JSONOutput(survey.memoryIsExact)),
      ("families", .array(survey.families.map(Self.row))),
      ("foreign", .array(survey.foreign.map { JSONOutput(String(decoding: $0, as: UTF8.self)) })),
    ]
    if !survey.otherCaches.isEmpty {
      members.append(("caches", .array(survey.otherCaches.map(\.json))))
    }
    if !survey.largest.isEmpty { members.append(("largest", .array(survey.largest.map(\.json)))) }
    return members
  }

  private static func row(_ family: KeySurvey.Family) -> JSONOutput {
    [
      "family": JSONOutput(family.family?.rawValue), "type": JSONOutput(family.types.joined(separator: ",")),
      "keys": JSONOutput(family.keys), "memory_bytes": JSONOutput(family.memoryBytes),
      "with_ttl": JSONOutput(family.withTTL),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard survey.keys > 0 else {
      let none = noKeys(of: namespace, under: keyPrefix)
      guard !survey.otherCaches.isEmpty else { return none }
      return (["\(none) but those of other caches:"] + survey.otherCaches.map { "  " + $0.line })
        .joined(separator: "\n")
    }
    func memory(_ bytes: Int?, isExact: Bool) -> String {
      bytes.map { (isExact ? "" : "~") + size($0) } ?? "-"
    }
    var table = Table([
      .init(title: "FAMILY", isFlexible: true), .init(title: "TYPE"), .init(title: "KEYS", isNumeric: true),
      .init(title: "MEMORY", isNumeric: true), .init(title: "REDIS TTL", isNumeric: true),
    ])
    for family in survey.families {
      table.rows.append([
        family.family?.rawValue ?? "(foreign)", family.types.joined(separator: ","), grouped(family.keys),
        memory(family.memoryBytes, isExact: family.memoryIsExact),
        family.withTTL > 0 ? grouped(family.withTTL) : "-",
      ])
    }
    table.rows.append([
      "total", "", grouped(survey.keys), memory(survey.memoryBytes, isExact: survey.memoryIsExact), "",
    ])
    var lines = [table.text(style)]
    if !survey.otherCaches.isEmpty {
      lines.append("\nother caches, not counted:")
      lines += survey.otherCaches.map { "  " + $0.line }
    }
    if !survey.foreign.isEmpty {
      lines.append("\nforeign keys:")
      lines += survey.foreign.prefix(10).map { "  " + visible(String(decoding: $0, as: UTF8.self)) }
      if survey.foreign.count > 10 { lines.append("  \(style.ellipsis)") }
    }
    if !survey.largest.isEmpty {
      var table = Table([
        .init(title: "MEMORY", isNumeric: true), .init(title: "FAMILY"),
        .init(title: "LARGEST KEYS", isFlexible: true, isName: true),
      ])
      table.rows = survey.largest.map {
        [
          size($0.memoryBytes ?? 0), $0.family?.rawValue ?? "(foreign)",
          visible(String(decoding: $0.key, as: UTF8.self)),
        ]
      }
      lines.append("\n" + table.text(style))
    }
    return lines.joined(separator: "\n")
  }
}
