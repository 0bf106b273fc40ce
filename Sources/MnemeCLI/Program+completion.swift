import CommandGrammar
import Glibc
import Mneme
import MnemeRedis

extension Program {
  /// Answers a shell that asks for completions. If it needs the server, it offers nothing if anything is wrong or
  /// if the reply takes so long that a person would notice.
  static func complete(_ request: CompletionRequest, _ environment: Environment) -> ExitStatus {
    let output = plainOutput(environment)
    let answer = request.answer { kind, invocation in
      giveUp(afterMilliseconds: 200)
      let values = try? liveValues(kind, invocation, output, environment)
      return (values ?? []).filter { !$0.word.unicodeScalars.contains(where: isHazardous) }
    }
    try? output.write(answer.utf8)
    try? output.flush()
    return .done
  }

  /// The values on the server, if the options before the cursor name one.
  private static func liveValues(
    _ kind: String, _ invocation: Invocation, _ output: Output, _ environment: Environment
  ) throws -> [CompletionRequest.Candidate] {
    var settings = try GlobalSettings(invocation, environment)
    // A completion must not ask for a password.
    if settings.password == .terminal { settings.password = .url }
    (settings.isQuiet, settings.isVerbose) = (true, false)
    let context = Context(settings: settings, output: output, environment: environment)
    switch kind {
    case "namespaces": return try context.openExistingStore().namespaces().map { .init($0.name) }
    case "prefixes":
      // In a large database, the completion offers what it has found in time.
      let start = Instant.now
      let control = WorkControl(shouldStop: { start.duration(to: .now) > .milliseconds(100) })
      let caches = try context.openClient().discoverCaches(control)
      return caches.compactMap { cache in
        String(validating: cache.keyPrefix, as: UTF8.self).map {
          .init($0, description: cache.entries.map { entryCount($0) } ?? "")
        }
      }
    default: return []
    }
  }

  /// Ends the program without a message when the time is over. It is a timer, because the time limits of the connection
  /// would add up, and looking up a host's name has none.
  private static func giveUp(afterMilliseconds milliseconds: Int) {
    signal(SIGALRM) { _ in _exit(ExitStatus.done.rawValue) }
    var timer = itimerval()
    timer.it_value.tv_usec = milliseconds * 1000
    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
  }
}
