import Mneme

extension Reply {
  /// The fields of `INFO`, `name:value` on each line; none for any other reply.
  var information: [String: String] {
    var values: [String: String] = [:]
    for line in (error == nil ? string ?? "" : "").split(whereSeparator: \.isNewline) {
      guard let colon = line.firstIndex(of: ":") else { continue }
      values[String(line[..<colon])] = visible(String(line[line.index(after: colon)...]))
    }
    return values
  }

  /// The settings in a reply to `CONFIG GET`, names and values in turn; none for any other reply.
  var configuration: [String: String] {
    var values: [String: String] = [:]
    var elements = elements.makeIterator()
    while let name = elements.next()?.string, let value = elements.next()?.string {
      values[name] = visible(value)
    }
    return values
  }
}
