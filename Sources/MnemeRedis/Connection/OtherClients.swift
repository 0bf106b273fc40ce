import Mneme
import Synchronization

/// Whether others use the server meanwhile, so that who works in batches can keep them short.
///
/// The server counts the commands that it carries out, those of a transaction each (`total_commands_processed` of
/// `INFO stats`). What it counts beyond our own is others'. The question takes it 2 µs, travels with commands that are
/// sent anyway, and is asked ten times a second at most, once somebody wants to know and has begun to be a burden.
///
/// What was found out can be read by every thread while the client is at work; all else is the session's.
final class OtherClients: @unchecked Sendable {
  private let active = Atomic(false)
  private let isWanted = Atomic(false)

  private struct Count {
    var at: Instant
    var processed: Int64
    var own: Int
    /// How many connections there had been: a new one may lead to another server, which has its own count.
    var connections: Int
  }

  /// What had been exchanged when somebody first wanted to know.
  private var trafficWhenWanted: Traffic?
  private var last: Count?
  /// When others were last seen.
  private var seen: Instant?
  private var isWithheld = false
  private var whenOnThisMachine: (@Sendable () -> Void)?

  /// After how many commands to ask, or how many bytes of answers: who is done with less is gone in a few milliseconds.
  private static let firstQuestion = (commands: 2000, bytes: 256 << 10)
  /// From the first count to the second; and between any two after that.
  private static let firstSpan = Duration.milliseconds(10)
  private static let span = Duration.milliseconds(100)
  /// How long nothing must be seen of others before they are gone.
  private static let calm = Duration.seconds(1)
  /// Commands in a second that are nobody's work: a supervisor's `PING`, a replica's acknowledgement.
  private static let mostIdle = 20.0

  /// True from the first question on until the server has shown otherwise, and for good where it does not tell. It is
  /// asked from now on.
  var areActive: Bool {
    isWanted.store(true, ordering: .relaxed)
    return active.load(ordering: .relaxed)
  }

  /// - Parameter whenOnThisMachine: called once, when they are first seen at a server on this machine.
  init(whenOnThisMachine: (@Sendable () -> Void)?) { self.whenOnThisMachine = whenOnThisMachine }

  /// Whether it is time to ask.
  func isDue(_ traffic: Traffic) -> Bool {
    guard !isWithheld, isWanted.load(ordering: .relaxed) else { return false }
    guard let first = trafficWhenWanted else {
      trafficWhenWanted = traffic
      return false
    }
    guard let last else {
      return traffic.commandsSent - first.commandsSent >= Self.firstQuestion.commands
        || traffic.bytesReceived - first.bytesReceived >= Self.firstQuestion.bytes
    }
    return last.at + (areActive && seen == nil ? Self.firstSpan : Self.span) < .now
  }

  /// Takes an answer.
  /// - Parameters:
  ///   - reply: to `INFO stats`.
  ///   - traffic: our own, that question included.
  ///   - isLocal: the server runs on this machine.
  func note(_ reply: Reply, _ traffic: Traffic, isLocal: Bool) {
    guard let processed = reply.information["total_commands_processed"].flatMap({ Int64($0) }) else {
      isWithheld = true
      return active.store(true, ordering: .relaxed)
    }
    let now = Instant.now
    let count = Count(
      at: now, processed: processed, own: traffic.commandsSent, connections: traffic.connections)
    defer { last = count }
    guard let last else { return active.store(true, ordering: .relaxed) }
    guard last.connections == count.connections else { return }
    // Fewer than our own: a transaction of ours was undone, by somebody.
    let others = count.processed &- last.processed &- Int64(count.own - last.own)
    let seconds = last.at.duration(to: now) / .seconds(1)
    if others < 0 || Double(others) > Self.mostIdle * seconds {
      seen = now
      if isLocal { whenOnThisMachine.take()?() }
    }
    active.store(seen.map { now < $0 + Self.calm } ?? false, ordering: .relaxed)
  }
}

extension Session {
  /// Adds the question whether others use the server, where it is time for it. `heeding` takes the answer.
  func asking(_ commands: Pipeline) -> (commands: Pipeline, asksAfterOthers: Bool) {
    guard others.isDue(traffic) else { return (commands, false) }
    var commands = commands
    commands.append("INFO", "stats")
    return (commands, true)
  }

  /// Takes the answer to what `asking` has added.
  /// - Parameter traffic: as it was when the question had been sent; nil where there was none.
  /// - Returns: the replies to the caller's own commands.
  func heeding(_ replies: Replies, askedWith traffic: Traffic?) -> Replies {
    guard let traffic else { return replies }
    others.note(replies[replies.count - 1], traffic, isLocal: connection?.isLocal ?? false)
    return replies.withoutLast
  }

  /// Sends the commands by `exchange`, and with them that question where it is time for it.
  /// - Returns: the replies to the commands.
  func asking(along commands: Pipeline, _ exchange: (Pipeline) throws -> Replies) rethrows -> Replies {
    let (asked, asksAfterOthers) = asking(commands)
    let replies = try exchange(asked)
    return heeding(replies, askedWith: asksAfterOthers ? traffic : nil)
  }

  /// What was exchanged so far.
  var traffic: Traffic { connector.meter.traffic }
}
