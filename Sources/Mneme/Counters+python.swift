extension Counters {
  /// Reads counters in the form of the Python library: a JSON object whose names are `ns:counter`, split at the last
  /// colon, since the namespace may hold others. Leaves out names and numbers that are not of this form.
  package static func namespaces(inPythonText text: String) -> [Namespace: Counters] {
    guard let object = try? JSONText(parsing: Array(text.utf8)) else { return [:] }
    var counters: [Namespace: Counters] = [:]
    for (name, value) in object.members {
      guard let name, let colon = name.utf8.lastIndex(of: UInt8(ascii: ":")),
        let counter = Counter(rawValue: String(name[name.utf8.index(after: colon)...])),
        let count = value.integer, count > 0
      else { continue }
      counters[Namespace(unchecked: String(name[..<colon])), default: Counters()][counter] = count
    }
    return counters
  }

  /// Writes counters in that form.
  package static func pythonText(of namespaces: [Namespace: Counters]) -> String {
    var text: [UInt8] = [UInt8(ascii: "{")]
    for (namespace, counters) in namespaces.sorted(by: { $0.key < $1.key }) {
      for counter in Counter.allCases where counters[counter] > 0 {
        if text.count > 1 { text += ", ".utf8 }
        JSONText.append("\(namespace.name):\(counter.rawValue)", to: &text)
        text += ": \(counters[counter])".utf8
      }
    }
    text.append(UInt8(ascii: "}"))
    return String(decoding: text, as: UTF8.self)
  }
}
