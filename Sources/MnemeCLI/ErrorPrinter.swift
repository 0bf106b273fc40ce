import CommandGrammar
import Mneme

/// Prints an error on standard error, as text or as JSON, and returns the exit status.
struct ErrorPrinter {
  let output: Output
  let isJSON: Bool
  /// The server and prefix of the command, once they are known.
  var place: Place?
  /// The part of a long change that the server had acknowledged, if it was one.
  var acknowledged: String?

  /// A server, as messages name it, and a key prefix.
  struct Place {
    var server: String
    var keyPrefix: String
  }

  /// The parts of a printed error.
  private struct Parts {
    var type: String
    var message: String
    var remediation: String
    var causes: [String] = []
    /// The usage line of the command, after a wrong command line.
    var usage: String?
  }

  func print(_ error: any Error) -> ExitStatus {
    if error is ClosedPipe { return .done }
    output.note(text(of: error))
    return ExitStatus(error)
  }

  /// The printed text, without the last line end.
  func text(of error: any Error) -> String {
    let status = ExitStatus(error)
    var parts = parts(of: error, status)
    let passwords = output.passwords
    if let acknowledged {
      parts.remediation += " Acknowledged by then: \(acknowledged). More may have been done."
    }
    parts.message = passwords.masked(in: parts.message)
    parts.remediation = passwords.masked(in: parts.remediation)
    parts.causes = parts.causes.map { passwords.masked(in: $0) }
    return isJSON ? json(parts, status).text : text(parts)
  }

  private func parts(of error: any Error, _ status: ExitStatus) -> Parts {
    switch error {
    case let error as any MnemeError:
      let kind = type(of: error).kind
      return Parts(
        type: kind.rawValue, message: kind.isAboutCache ? located(error) : error.message,
        remediation: error.remediation, causes: error.causes)
    case let error as UsageError:
      return Parts(
        type: "UsageError", message: error.message, remediation: error.remediation, usage: error.usage)
    case let error as InputError:
      return Parts(
        type: ErrorKind.invalidInput.rawValue, message: error.message, remediation: error.remediation)
    case let error as FileError:
      return Parts(
        type: "FileError", message: error.message, remediation: error.remediation,
        causes: error.cause.map { [$0] } ?? [])
    case let error as LineError:
      var parts = parts(of: error.underlying, status)
      let place = error.line.map { ", \(error.unit) \($0)" } ?? ""
      parts.message = "\(error.source)\(place): \(parts.message)"
      if !error.state.isEmpty { parts.remediation += " \(error.state)" }
      return parts
    case is WaitStopped: return parts(of: Interruption(status: status), status)
    case let error as Interruption:
      return Parts(
        type: "Interrupted", message: "The command was interrupted.", remediation: error.state)
    default:
      return Parts(
        type: "InternalError", message: "Something failed that should not: \(error)",
        remediation: "This is a bug in mneme. Please report it with this message.")
    }
  }

  /// A message that also says where the cache is, unless it does so itself.
  private func located(_ error: any MnemeError) -> String {
    let message = error.message
    // It may be about another prefix than that of the options.
    if case .keyPrefix? = error.object { return message }
    guard let place, !message.contains(place.server) else { return message }
    let sentence = message.hasSuffix(".") ? message.dropLast() : message[...]
    return "\(sentence) (\(place.server), key prefix '\(place.keyPrefix)')."
  }

  private func json(_ parts: Parts, _ status: ExitStatus) -> JSONOutput {
    let notes = output.takeHeldNotes()
    let members: [(String, JSONOutput)] = [
      ("error", JSONOutput(parts.type)), ("message", JSONOutput(parts.message)),
      ("remediation", JSONOutput(parts.remediation)),
      ("causes", .array(parts.causes.map { JSONOutput($0) })),
      ("exit_status", JSONOutput(Int(status.rawValue))),
    ]
    return .object(members + (notes.isEmpty ? [] : [("notes", .array(notes.map { JSONOutput($0) }))]))
  }

  private func text(_ parts: Parts) -> String {
    var lines = [
      "mneme: \(parts.type): \(visible(parts.message))", "remediation: \(visible(parts.remediation))",
    ]
    lines += parts.causes.map { "caused by: \(visible($0))" }
    if let usage = parts.usage { lines.append("usage: \(usage)") }
    return lines.joined(separator: "\n")
  }
}

extension ErrorPrinter {
  /// - Parameter context: of the command; nil if there is none yet.
  init(output: Output, isJSON: Bool, context: Context?) {
    self.init(output: output, isJSON: isJSON)
    place = context?.settings.server.map { Place(server: $0, keyPrefix: context?.settings.keyPrefix ?? "") }
    acknowledged = context?.acknowledged.map { $0.text($0.count) }
  }
}

extension ErrorKind {
  /// Whether the error is about the data of a cache, so that its message names the cache.
  fileprivate var isAboutCache: Bool {
    switch self {
    case .corruptCache, .embedderMismatch, .embedderDimension, .schemaMigration, .namespaceQuotaExceeded: true
    case .storeBackend, .checkpoint, .cacheClosed, .quantization, .invalidInput, .embedder: false
    }
  }
}
