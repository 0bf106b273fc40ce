import Mneme

/// A file that cannot be read, made or written.
struct FileError: Error {
  var status: ExitStatus
  var message: String
  var remediation: String
  /// The system's message for the error number.
  var cause: String?

  /// An input file that does not exist or cannot be read.
  static func unreadable(_ path: String, errno number: Int32) -> FileError {
    FileError(
      status: .noInput, message: "The file '\(path)' cannot be read.",
      remediation: "Check the path and its permissions.", cause: systemMessage(number))
  }

  /// An output file that cannot be made.
  static func uncreatable(_ path: String, errno number: Int32) -> FileError {
    FileError(
      status: .cannotCreate, message: "The file '\(path)' cannot be made.",
      remediation: "Check that the directory exists and may be written to.", cause: systemMessage(number))
  }

  /// Output that could not be written.
  static func unwritten(_ what: String, errno number: Int32) -> FileError {
    FileError(
      status: .writeFailed, message: "Writing \(what) failed.",
      remediation: "Make room or choose another place, and run the command again.",
      cause: systemMessage(number))
  }
}

/// A value, typed or read from a file, that cannot be used. It is reported under the name of the library's error.
struct InputError: Error {
  var message: String
  var remediation: String

  init(_ message: String, remediation: String) {
    self.message = message
    self.remediation = remediation
  }
}

/// An error in a line of input, or between two of them.
struct LineError: Error {
  /// Counted from 1; nil where the error is about no line.
  var line: Int?
  /// The name of a record of the file: line, element or row.
  var unit = "line"
  var source: String
  var underlying: any Error
  /// The work done before, and the way to continue.
  var state: String
}

/// The reader of the output has ended (`| head`), so the command ends without a message.
struct ClosedPipe: Error {}

/// A signal. It is thrown after the current batch.
struct Interruption: Error {
  var status: ExitStatus
  /// The work done, and the way to continue.
  var state = "Run the command again."

  /// A signal arrived while a pipe or a terminal was full.
  static var inOutput: Interruption {
    Interruption(
      status: Interrupt().status ?? .interrupted,
      state: "The output is not complete; run the command again.")
  }
}
