import CProcess
import CommandGrammar
import Glibc
import Mneme
import MnemeRedis

/// The way from the command line to an exit status: words, request, work, report, text or JSON.
public enum Program {
  /// Runs the command line of this process, and hides the passwords in it.
  public static func run() -> Int32 {
    let (count, arguments) = (Int(process_argument_count()), process_arguments())
    let words = (1..<max(1, count)).map { index in
      arguments[index].map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } ?? []
    }
    let passwords = TypedPasswords(in: words)
    erasePasswords(in: arguments, count: count)
    if !passwords.isEmpty || holdsSecret(.process) { closeMemory() }
    return run(rawArguments: words, hiding: passwords)
  }

  /// Runs a command line.
  /// - Parameter arguments: the words behind the program's name.
  private static func run(rawArguments arguments: [[UInt8]], hiding passwords: TypedPasswords) -> Int32 {
    occupyStandardStreams()
    let environment = Environment.process
    do {
      switch try CommandTable.grammar.parse(rawArguments: arguments) {
      case .run(let invocation): return run(invocation, environment, hiding: passwords).rawValue
      case .help(let topic, let form):
        return show(environment) {
          CommandTable.grammar.help(topic, form, style: TextStyle(width: $0.width, isBold: $0.usesColor))
        }
      case .version: return show(environment) { _ in "mneme \(CommandTable.version)\n" }
      case .complete(let request): return complete(request, environment).rawValue
      }
    } catch {
      let isJSON = arguments.contains(Array("--json".utf8))
      let output = plainOutput(environment, hiding: passwords)
      return ErrorPrinter(output: output, isJSON: isJSON).print(error).rawValue
    }
  }

  private static func run(
    _ invocation: Invocation, _ environment: Environment, hiding passwords: TypedPasswords
  ) -> ExitStatus {
    let isJSON = invocation[Options.json]
    let style = TerminalStyle.detect(
      color: invocation[Options.color], progress: invocation[Options.progress], environment: environment)
    let output = Output(style: style, hiding: passwords)
    output.holdsNotes = isJSON
    defer { output.releaseNotes() }
    var known: Context?
    defer { Output.clearPlace() }
    do {
      guard let command = CommandTable.command(named: invocation.command.name) else {
        preconditionFailure("the grammar has a command that the table lacks")
      }
      let request = try command.init(invocation)
      let settings = try GlobalSettings(invocation, environment)
      let context = Context(settings: settings, output: output, environment: environment)
      known = context
      let report = try request.run(context)
      if isJSON {
        try report.printJSON(on: output)
      } else if !(context.settings.isQuiet && report.isConfirmation) {
        try report.print(on: output)
      }
      try output.flush()
      context.warnOfCounters()
      context.warnOfUnrecorded()
      context.warnOfReplicas()
      context.remarkOnTraffic()
      return report.status == .done && context.isAbsent ? .no : report.status
    } catch is ClosedPipe {
      return .done
    } catch {
      var error = error
      do {
        // Results that came before the error are printed before it.
        try output.flush()
      } catch let interruption as Interruption {
        error = interruption
      } catch {}
      return ErrorPrinter(output: output, isJSON: isJSON, context: known).print(error)
    }
  }

  static func plainOutput(_ environment: Environment, hiding passwords: TypedPasswords = .init()) -> Output {
    Output(
      style: .detect(color: .auto, progress: .never, environment: environment), hiding: passwords)
  }

  private static func show(_ environment: Environment, _ text: (TerminalStyle) -> String) -> Int32 {
    let output = plainOutput(environment)
    do {
      try output.write(text(output.style).utf8)
      try output.flush()
      return ExitStatus.done.rawValue
    } catch is ClosedPipe {
      return ExitStatus.done.rawValue
    } catch {
      return ErrorPrinter(output: output, isJSON: false).print(error).rawValue
    }
  }
}
