import Glibc

/// The variables of the process's environment.
typealias Environment = [String: String]

/// The environment of this process; what is no `name=value` in UTF-8 is left out.
func processEnvironment() -> Environment {
  var variables: Environment = [:]
  var next = environ
  while let entry = next.pointee {
    if let text = String(validatingCString: entry), let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")) {
      variables[String(text[..<equals])] = String(text[text.utf8.index(after: equals)...])
    }
    next += 1
  }
  return variables
}

/// The system's words for an error number.
func systemMessage(_ number: Int32) -> String {
  var buffer = [CChar](repeating: 0, count: 256)
  guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
  return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
