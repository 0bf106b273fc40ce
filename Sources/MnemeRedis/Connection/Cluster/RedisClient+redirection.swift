import Mneme

// On a cluster all keys of a cache are in one slot (`KeyHashTag`), so one connection to the node with that slot is
// enough. The code below finds that node, and finds it again when slots move or a node fails.
extension RedisClient {
  /// The most redirections of one command. More are an error. A cluster in order needs one.
  static let hopLimit = 5

  /// Checks that the keys of every store that uses the client are in one slot.
  func requireHashTags(cause: ServerError? = nil) throws {
    for keyspace in keyspaces where KeyHashTag.ofKeys(under: keyspace.prefix) == nil {
      throw StoreBackendError.needsHashTag(prefix: keyspace.prefix, server: description, cause: cause)
    }
  }

  // MARK: Finding the node

  /// Asks a newly found node for the other nodes, and whether it has the keys. One round trip. `SCAN` names no key, so
  /// it would otherwise walk over the wrong node.
  /// - Returns: whether another node has the keys. The client then connects to that node.
  func locateOwner(from connection: Connection) throws -> Bool {
    var nodes = ClusterNodes()
    nodes.insert(connector.url.endpoint)
    let question = ownerQuestion
    let replies = try connection.exchange(question.commands)
    nodes.insert(slots: replies[question.slots], from: connection.endpoint)
    cluster = nodes
    guard case .moved(let owner)? = redirection(in: replies[question.probe], from: connection) else {
      return false
    }
    move(to: owner)
    return true
  }

  private var ownerQuestion: (commands: Pipeline, probe: Slot, slots: Slot) {
    var commands = keyspaces.first?.probe ?? Pipeline()
    if commands.isEmpty { commands.append("PING") }
    let slots = commands.append("CLUSTER", "SLOTS")
    return (commands, Slot(position: 0), slots)
  }

  private func redirection(in reply: Reply, from connection: Connection) -> Redirection? {
    reply.error.flatMap { Redirection($0, from: connection.endpoint) }
  }

  /// Connects to another node from now on.
  private func move(to owner: Endpoint) {
    cluster?.insert(owner)
    disconnect()
    endpoint = owner
  }

  /// Asks the other nodes after a node has failed, until one has its keys or the time limit of a command is over.
  func findOwner(after failure: ConnectionFailure) throws -> Connection {
    let deadline = Deadline.after(connector.limits.command)
    repeat {
      for node in cluster?.endpoints ?? [] {
        if let owner = owner(accordingTo: node) {
          endpoint = owner.endpoint
          return owner
        }
        if deadline.remaining == .zero { break }
      }
      guard !StopRequest.hasCome else { throw ConnectionFailure(.system(.stopped)) }
      StopRequest.sleep(for: .milliseconds(100))
    } while deadline.remaining > .zero
    throw failure
  }

  /// Asks a node, and the node that it names, whether it has the keys.
  private func owner(accordingTo node: Endpoint) -> Connection? {
    let question = ownerQuestion
    var next = node
    for _ in 0..<2 {
      guard let connection = try? connector.connect(to: next),
        let replies = try? connection.exchange(question.commands)
      else { return nil }
      cluster?.insert(slots: replies[question.slots], from: next)
      guard replies[question.probe].kind == .error else { return connection }
      guard case .moved(let owner)? = redirection(in: replies[question.probe], from: connection) else {
        return nil
      }
      next = owner
    }
    return nil
  }

  // MARK: Following redirections

  /// The commands to send again if some were not run.
  enum Again {
    /// All commands. Used for commands that only read.
    case allCommands
    /// The commands that were not run; the others may have written.
    case redirectedCommands
  }

  /// Follows redirections until every command has been run or has failed for another reason.
  func follow(_ replies: Replies, of commands: Pipeline, again: Again) throws -> Replies {
    var replies = replies
    var limit = RedirectionLimit(until: Deadline.after(connector.limits.command))
    while let redirected = redirectedCommands(replies) {
      if redirected.redirection != .demoted { try meetCluster(cause: redirected.error) }
      guard limit.allows(redirected.redirection) else { break }
      switch redirected.redirection {
      case .asked(let target):
        let rest = commands.commands(at: redirected.indices, each: "ASKING")
        let others = redirected.indices.count < commands.count
        let answers = try notingWhetherRun(rest, behindOthers: others) {
          try detour(to: target).exchange(rest)
        }
        replies = replies.replacing(redirected.indices) { answers[2 * $0 + 1] }
        continue
      case .moved(let owner): move(to: owner)
      case .later: break
      case .demoted: disconnect()
      }
      switch again {
      case .allCommands: replies = try connected().exchange(commands)
      case .redirectedCommands:
        let rest = commands.commands(at: redirected.indices)
        let answers = try notingWhetherRun(rest, behindOthers: rest.count < commands.count) {
          let connection = try connected()
          try connection.greet()
          return try connection.exchange(rest)
        }
        replies = replies.replacing(redirected.indices) { answers[$0] }
      }
    }
    return replies
  }

  struct Redirected {
    let redirection: Redirection
    let error: ServerError
    /// The commands with this redirection.
    var indices: [Int]
  }

  /// Returns the redirected commands; if there are several targets, those of the first.
  func redirectedCommands(_ replies: some Sequence<Reply>) -> Redirected? {
    var found: Redirected?
    for (index, reply) in replies.enumerated() where reply.kind == .error {
      guard let error = reply.error, let redirection = redirection(error) else { continue }
      if found == nil { found = Redirected(redirection: redirection, error: error, indices: []) }
      if found?.redirection == redirection { found?.indices.append(index) }
    }
    return found
  }

  private func redirection(_ error: ServerError) -> Redirection? {
    if connector.url.sentinels != nil, error.code == "READONLY" { return .demoted }
    return Redirection(error, from: endpoint)
  }

  /// Handles a redirection of a server that has not reported that it is part of a cluster.
  func meetCluster(cause: ServerError) throws {
    guard cluster == nil else { return }
    try requireHashTags(cause: cause)
    var nodes = ClusterNodes()
    nodes.insert(connector.url.endpoint)
    nodes.insert(endpoint)
    cluster = nodes
  }

  private func detour(to target: Endpoint) throws -> Connection {
    if let detour, detour.endpoint == target, detour.isAlive { return detour }
    let connection = try connector.connect(to: target)
    try connection.greet()
    detour = connection
    return connection
  }

  // MARK: Redirections inside a transaction

  /// Follows a redirection in a transaction, before its body runs again.
  /// - Returns: false if the limit is reached.
  func follow(_ redirection: Redirection, limit: inout RedirectionLimit) -> Bool {
    switch redirection {
    case .moved(let owner):
      guard limit.allows(redirection) else { return false }
      move(to: owner)
      return true
    // The keys of a transaction are on two nodes until the slot has moved.
    case .asked, .later: return limit.allows(.later)
    case .demoted:
      disconnect()
      return limit.allows(.later)
    }
  }
}

/// The limits for following redirections: a few hops, and the time limit of a command while a slot moves.
struct RedirectionLimit {
  private var hops = 0
  private var waits = 0
  private let deadline: Deadline

  init(until deadline: Deadline) { self.deadline = deadline }

  /// Whether to continue. For `later` it waits first.
  mutating func allows(_ redirection: Redirection) -> Bool {
    switch redirection {
    case .moved, .asked:
      hops += 1
      return hops <= RedisClient.hopLimit
    case .later, .demoted:
      guard deadline.remaining > .zero, !StopRequest.hasCome else { return false }
      StopRequest.sleep(for: .milliseconds(20 << min(waits, 4)))
      waits += 1
      return true
    }
  }
}

extension Replies {
  /// Returns these replies with some of them replaced, on a new tape.
  /// - Parameter replacement: the reply that replaces the one at `indices[n]`, for each `n`.
  fileprivate func replacing(_ indices: [Int], _ replacement: (Int) -> Reply) -> Replies {
    let merged = Tape(limit: .max)
    var next = indices.enumerated().makeIterator()
    var due = next.next()
    for index in self.indices {
      var reply = self[index]
      if let (position, place) = due, place == index {
        reply = replacement(position)
        due = next.next()
      }
      merged.append(copying: reply)
    }
    return Replies(tape: merged, skipped: 0)
  }
}
