import Mneme

/// Makes many changes over several connections in turn, so that the server always has the next request when it has
/// finished the last one, although each request is short.
///
/// Small work stays on the store's own connection: the first changes are made there, one after the other. Then lanes
/// are opened. Each lane has a thread and a connection, and sends the reads of its next change directly after the
/// transaction of the last one, so that a change takes one round trip. There are two lanes, or more if a round trip is
/// long: as many as it takes to keep the server busy. Changes under way at the same time are made in any order. Their
/// outcomes are returned in order.
///
/// Used by one thread.
final class Lanes<Work: Sendable, Outcome: Sendable> {
  /// Makes one change after the other on one connection.
  /// - Parameter upcoming: the piece that this lane does next, where there is one at hand.
  private typealias Step = (_ piece: Piece, _ upcoming: () -> Piece?) -> Result<Outcome, any Error>

  private struct Piece: Sendable {
    let number: Int
    let work: Work
  }

  /// The state that the caller and the lanes share.
  private struct Board: Sendable {
    var waiting: [Piece] = []
    var underWay = 0
    var outcomes: [Int: Result<Outcome, any Error>] = [:]
    /// Whether no more work is begun: after an error, or at the end.
    var isClosed = false

    /// - Returns: whether work may be begun.
    mutating func begin() -> Bool {
      if !isClosed { underWay += 1 }
      return !isClosed
    }

    /// - Returns: the next piece, or nil if none is waiting.
    mutating func take() -> Piece? { waiting.isEmpty || !begin() ? nil : waiting.removeFirst() }

    /// Gives up a piece that was taken and not begun.
    mutating func drop() { underWay -= 1 }

    mutating func settle(_ piece: Piece, _ outcome: Result<Outcome, any Error>) {
      outcomes[piece.number] = outcome
      underWay -= 1
      guard case .failure = outcome else { return }
      isClosed = true
      waiting = []
    }
  }

  private let store: RedisStore
  private let makeStep: @Sendable (RedisStore) -> Step
  /// The step on the store's own connection.
  private let ownStep: Step
  private let board = Monitor(Board())
  private var threads: [WorkerThread] = []
  private var stores: [RedisStore] = []
  /// The number of pieces submitted, and of outcomes taken.
  private var (submitted, taken) = (0, 0)

  /// The number of changes before lanes are opened. It is one if the server is far, since each takes three round trips.
  private var fewest: Int { roundTrip > .milliseconds(20) ? 1 : 4 }
  /// The round trip that the store's own connection has measured.
  private var roundTrip: Duration { store.client.shortestRoundTrip ?? .zero }
  /// The approximate time that a change takes in the server and in this process. A round trip divided by it gives the
  /// number of lanes.
  private static var laneTime: Duration { .microseconds(300) }

  /// - Parameters:
  ///   - change: the change that a piece of work asks for.
  ///   - finish: the step after it, which makes the outcome.
  init<Seen, Written>(
    _ store: RedisStore, change: @escaping @Sendable (RedisStore, Work) throws -> Change<Seen, Written>,
    finish: @escaping @Sendable (RedisStore, Work, Written) throws -> Outcome
  ) {
    self.store = store
    makeStep = { store in
      /// The reads of the next piece, if they were sent with the last one.
      var ahead: (number: Int, looked: Looked<Seen>)?
      return { piece, upcoming in
        Result {
          let looked = ahead.take().flatMap { $0.number == piece.number ? $0.looked : nil }
          var next: Piece?
          let (written, following) = try store.client.perform(change(store, piece.work), looked: looked) {
            next = upcoming()
            return try next.map { try change(store, $0.work).look() }
          }
          if let next, let following { ahead = (next.number, following) }
          return try finish(store, piece.work, written)
        }
      }
    }
    ownStep = makeStep(store)
  }

  deinit { close() }

  /// Whether the next piece goes to a lane, rather than to the store's own connection.
  var areOpen: Bool { submitted >= fewest }

  /// Does a piece of work, immediately or when a lane is free. Waits while the queue is full. After an error the piece
  /// is dropped.
  func submit(_ work: Work) {
    let piece = Piece(number: submitted, work: work)
    defer { submitted += 1 }
    if threads.isEmpty, areOpen { openLanes() }
    guard !threads.isEmpty else {
      guard board.change({ $0.begin() }) else { return }
      let outcome = ownStep(piece) { nil }
      return board.change { $0.settle(piece, outcome) }
    }
    // If the queue is full, the caller is woken when it is half empty, rather than for each piece that is taken. The
    // waiting work still takes longer than a round trip of the caller's.
    let most = max(4, 2 * threads.count)
    var room = most
    board.wait { board -> Void? in
      if board.isClosed { return () }
      guard board.waiting.count < room else {
        room = most / 2 + 1
        return nil
      }
      board.waiting.append(piece)
      return ()
    }
  }

  /// Returns the next outcomes, in the order in which the pieces were submitted, up to the first that is not done yet.
  /// The first error is the last outcome.
  func takeOutcomes() -> [Result<Outcome, any Error>] {
    board.change { board in
      var outcomes: [Result<Outcome, any Error>] = []
      while let outcome = board.outcomes.removeValue(forKey: taken) {
        outcomes.append(outcome)
        taken += 1
        if case .failure = outcome { break }
      }
      return outcomes
    }
  }

  /// Waits until no work is under way.
  func finish() { board.wait { $0.waiting.isEmpty && $0.underWay == 0 ? () : nil } }

  /// Returns, after an error, the outcomes of later pieces that were under way, with their places counted from the
  /// error.
  func takeOutcomesBeyondError() -> [(place: Int, outcome: Result<Outcome, any Error>)] {
    finish()
    return board.change { board in
      defer { board.outcomes = [:] }
      return board.outcomes.map { ($0 - taken + 1, $1) }.sorted { $0.0 < $1.0 }
    }
  }

  /// Passes the outcomes that came next to `body`, and of an error also those of later pieces that were under way.
  /// - Throws: the first error, after that.
  func settle(_ body: (Outcome) throws -> Void) throws {
    for outcome in takeOutcomes() {
      if case .failure = outcome {
        for case (_, .success(let later)) in takeOutcomesBeyondError() { try body(later) }
      }
      try body(outcome.get())
    }
  }

  /// Ends the lanes after the work under way.
  func close() {
    board.change { $0.isClosed = true }
    for thread in threads { thread.join() }
    for lane in stores {
      store.client.count(lane.client.traffic)
      lane.close()
    }
    (threads, stores) = ([], [])
  }

  private func openLanes() {
    for _ in 0..<min(max(2, Int(roundTrip / Self.laneTime) + 1), 16) {
      let lane = store.another()
      guard let thread = WorkerThread({ [makeStep, board] in Self.work(board, makeStep(lane)) }) else {
        break
      }
      threads.append(thread)
      stores.append(lane)
    }
  }

  /// The main function of a lane's thread.
  private static func work(_ board: Monitor<Board>, _ step: Step) {
    /// Waits for a piece; nil if there will be no more.
    func next() -> Piece? {
      board.wait { board -> Piece?? in
        if let piece = board.take() { return .some(piece) }
        return board.isClosed ? .some(nil) : nil
      }
    }
    var ahead: Piece?
    while let piece = ahead.take() ?? next() {
      let outcome = step(piece) {
        ahead = board.change { $0.take() }
        return ahead
      }
      board.change { board in
        board.settle(piece, outcome)
        if case .failure = outcome, ahead.take() != nil { board.drop() }
      }
    }
  }
}
