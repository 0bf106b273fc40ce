import Glibc

/// Variables of an environment. They are looked up when they are read, because a process has many and a command needs
/// few.
public struct Environment: Sendable, ExpressibleByDictionaryLiteral {
  /// The variables; nil for those of this process.
  private let values: [String: String]?

  /// The environment of this process.
  public static let process = Environment(values: nil)

  private init(values: [String: String]?) { self.values = values }

  /// An environment of these variables and no other.
  public init(_ values: [String: String]) { self.values = values }

  public init(dictionaryLiteral elements: (String, String)...) {
    values = Dictionary(elements) { $1 }
  }

  /// All variables, to be passed to another process, except those that are not `name=value` in UTF-8.
  public var all: [String: String] {
    if let values { return values }
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      if let text = String(validatingCString: entry), let equals = text.utf8.firstIndex(of: UInt8(ascii: "="))
      {
        variables[String(text[..<equals])] = String(text[text.utf8.index(after: equals)...])
      }
      next += 1
    }
    return variables
  }

  /// The value of a variable; nil if it is not set, or is not UTF-8.
  public subscript(name: String) -> String? {
    if let values { return values[name] }
    return getenv(name).flatMap { String(validatingCString: $0) }
  }
}
