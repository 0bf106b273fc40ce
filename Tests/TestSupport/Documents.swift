import Foundation

/// The documents of the repository, as tests read them.
package enum Documents {
  package static func readme() throws -> String {
    try String(contentsOfFile: Repository.top + "/README.md", encoding: .utf8)
  }

  /// The source of a manual page, with what is escaped for roff as a reader sees it.
  /// - Parameter name: of the file in `man`, such as `mneme-security.7`.
  package static func manual(_ name: String) throws -> String {
    let source = try String(contentsOfFile: "\(Repository.top)/man/\(name)", encoding: .utf8)
    return source.replacing(#/\\(?:f[BIR]|\(..|\[u[0-9A-F]+\]|.)/#) { match in
      if let code = match.output.wholeMatch(of: #/\\\[u([0-9A-F]+)\]/#)?.1 {
        return UInt32(code, radix: 16).flatMap(Unicode.Scalar.init).map { String($0) } ?? ""
      }
      return switch match.output {
      case #"\-"#: "-"
      case #"\(aq"#: "'"
      case #"\(ga"#: "`"
      case #"\(ha"#: "^"
      case #"\(ti"#: "~"
      case #"\e"#: #"\"#
      default: ""
      }
    }
  }

  /// The blocks of code of a manual page.
  package static func blocks(ofManual name: String) throws -> [String] {
    try manual(name).components(separatedBy: "\n.EX\n").dropFirst().map {
      $0.components(separatedBy: "\n.EE")[0]
    }
  }

  /// The first line of a manual page's code that a test looks for.
  package static func line(ofManual name: String, containing text: String) throws -> String? {
    try blocks(ofManual: name).lazy.flatMap { $0.split(separator: "\n") }.first { $0.contains(text) }.map(
      String.init)
  }
}
