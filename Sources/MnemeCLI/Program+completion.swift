import CommandGrammar
import Glibc
import Mneme
import MnemeRedis

extension Program {
  /// Answers a shell that asks what may be typed; with nothing where anything is wrong, or where no answer comes
  /// while a person would still call the prompt quick.
  static func complete(_ kind: String, _ invocation: Invocation, _ environment: Environment) -> ExitStatus {
    guard kind == "namespaces", var settings = try? GlobalSettings(invocation, environment) else {
      return .done
    }
    giveUp(afterMilliseconds: 200)
    // Nobody who presses Tab wants to be asked or told anything.
    if settings.password == .terminal { settings.password = .url }
    (settings.isQuiet, settings.isVerbose) = (true, false)
    let context = Context(settings: settings, output: plainOutput(environment), environment: environment)
    guard let names = try? context.openExistingStore().namespaces() else { return .done }
    for name in names where !name.name.unicodeScalars.contains(where: isHazardous) {
      try? context.output.print(name.name)
    }
    try? context.output.flush()
    return .done
  }

  /// Ends the program quietly when the time is up. A timer, since time limits of the connection would add up, and
  /// looking up a host's name has none.
  private static func giveUp(afterMilliseconds milliseconds: Int) {
    signal(SIGALRM) { _ in _exit(ExitStatus.done.rawValue) }
    var timer = itimerval()
    timer.it_value.tv_usec = milliseconds * 1000
    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
  }
}
