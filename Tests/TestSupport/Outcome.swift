import Foundation

/// The exit status and the output of a program that has ended.
///
/// Its description is all that a reader of a failed test wants: the command, the status and both streams.
package struct Outcome: Sendable, CustomStringConvertible {
  package let commandLine: String
  package let termination: ChildProcess.Termination
  package let output: [UInt8]
  package let errors: [UInt8]

  /// The exit status as a shell shows it: 128 and the signal's number for a program that was killed.
  package var status: Int32 {
    switch termination {
    case .exited(let code): code
    case .killed(let signal): 128 + signal
    }
  }

  package var outputText: String { String(decoding: output, as: UTF8.self) }
  package var errorText: String { String(decoding: errors, as: UTF8.self) }
  package var outputLines: [String] { Outcome.lines(of: output) }
  package var errorLines: [String] { Outcome.lines(of: errors) }

  /// Standard output as the one JSON object that it should be.
  package func json() throws -> JSONValue { try JSONValue(parsing: output, in: self) }

  /// Standard error as the one JSON object that it should be.
  package func errorJSON() throws -> JSONValue { try JSONValue(parsing: errors, in: self) }

  /// Standard output as JSON lines.
  package func jsonLines() throws -> [JSONValue] {
    try output.split(separator: UInt8(ascii: "\n")).map { try JSONValue(parsing: Array($0), in: self) }
  }

  /// Passes itself on when the exit status is the one expected.
  @discardableResult
  package func expecting(_ status: Int32) throws -> Outcome {
    guard self.status == status else { throw Unexpected("status \(status)", of: self) }
    return self
  }

  package var description: String {
    """
    $ \(commandLine)
    \(termination)
    --- standard output (\(output.count) bytes)
    \(shortened(outputText))
    --- standard error (\(errors.count) bytes)
    \(shortened(errorText))
    """
  }

  private static func lines(of bytes: [UInt8]) -> [String] {
    bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  private func shortened(_ text: String) -> String {
    text.utf8.count <= 4000 ? text : "\(text.prefix(3000))\n[…]\n\(text.suffix(800))"
  }
}

/// A program did something else than the test expected.
package struct Unexpected: Error, CustomStringConvertible {
  package let description: String

  package init(_ expectation: String, of outcome: Outcome) {
    description = "expected \(expectation) of\n\(outcome)"
  }
}

extension ChildProcess {
  /// Waits for the end while standard input stays open, as a terminal's does.
  package func finishWithoutInput() throws -> Outcome {
    try eventually("the end of \(commandLine)") { poll() != nil }
    return try finish()
  }

  /// Writes `input`, ends it, reads both streams to their ends and waits.
  /// - Throws: `Unexpected` with what there was until then; the program is killed.
  package func finish(input text: [UInt8] = [], within limit: Duration = patience) throws -> Outcome {
    let deadline = Deadline(in: limit)
    var pending = text[...]
    var captured: [[UInt8]] = [[], []]
    if let input { _ = fcntl(input.number, F_SETFL, O_NONBLOCK) }
    var readers: [Descriptor?] = [output, errors]
    if pending.isEmpty { closeInput() }

    while readers.contains(where: { $0 != nil }) {
      // poll passes over descriptors of -1.
      var entries = [
        pollfd(fd: readers[0]?.number ?? -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: readers[1]?.number ?? -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: input?.number ?? -1, events: Int16(POLLOUT), revents: 0),
      ]
      let ready = Foundation.poll(&entries, 3, deadline.milliseconds(atMost: 60_000))
      if ready < 0 && errno != EINTR { throw SystemError("poll") }
      if deadline.hasPassed { throw timedOut(captured) }
      for index in 0..<2 where entries[index].revents != 0 {
        let bytes = try readers[index]?.readSome() ?? []
        if bytes.isEmpty { readers[index] = nil } else { captured[index] += bytes }
      }
      if entries[2].revents != 0, let input {
        let count = pending.withUnsafeBytes { Foundation.write(input.number, $0.baseAddress, $0.count) }
        if count >= 0 { pending.removeFirst(count) }
        // A program that does not read all of its input may do so.
        if pending.isEmpty || (count < 0 && errno != EAGAIN && errno != EINTR) { closeInput() }
      }
    }
    closeInput()
    while true {
      if let termination = poll() {
        return Outcome(
          commandLine: commandLine, termination: termination, output: captured[0], errors: captured[1])
      }
      if deadline.hasPassed { throw timedOut(captured) }
      usleep(500)
    }
  }

  private func timedOut(_ captured: [[UInt8]]) -> Unexpected {
    signal(SIGKILL)
    let outcome = Outcome(
      commandLine: commandLine, termination: .killed(bySignal: SIGKILL), output: captured[0],
      errors: captured[1])
    return Unexpected("an end in time", of: outcome)
  }
}
