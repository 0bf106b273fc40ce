import CommandGrammar
import Mneme
import Testing

@testable import MnemeCLI

/// One error of each kind that the library knows.
private let errorOfKind: [ErrorKind: any MnemeError] = [
  .storeBackend: StoreBackendError(.unreachable, "m", remedy: .tryLater),
  .checkpoint: CheckpointError("m", remedy: .tryLater),
  .embedderMismatch: EmbedderMismatchError("m", remedy: .tryLater),
  .embedderDimension: EmbedderDimensionError("m", remedy: .tryLater),
  .corruptCache: CorruptCacheError("m", remedy: .tryLater),
  .cacheClosed: CacheClosedError("m", remedy: .tryLater),
  .namespaceQuotaExceeded: NamespaceQuotaExceededError("m", remedy: .tryLater),
  .quantization: QuantizationError("m", remedy: .tryLater),
  .schemaMigration: SchemaMigrationError("m", remedy: .tryLater),
  .invalidInput: InvalidInputError("m", remedy: .tryLater),
  .embedder: EmbedderError("m", remedy: .tryLater),
]

/// An error that nobody foresaw.
private struct Surprise: Error {}

@Suite("Exit status")
struct ExitStatusTests {
  /// The numbers of the contract, written out a second time on purpose.
  private static let kinds: [ErrorKind: Int32] = [
    .storeBackend: 69, .checkpoint: 69, .embedderMismatch: 78, .embedderDimension: 78, .corruptCache: 65,
    .cacheClosed: 70, .namespaceQuotaExceeded: 69, .quantization: 65, .schemaMigration: 78, .invalidInput: 65,
    .embedder: 69,
  ]

  private static let reasons: [StoreBackendError.Reason: Int32] = [
    .unreachable: 69, .connectionLost: 69, .lostWrites: 69, .outOfMemory: 69, .readOnly: 69,
    .protocolViolation: 69,
    .notBuilt: 69,
    .refused: 69, .timedOut: 69, .notReady: 75, .contention: 75, .accessDenied: 77, .certificate: 77,
    .unusableFile: 66,
    .needsHashTag: 78,
  ]

  @Test("every kind of error has its exit status", arguments: ErrorKind.allCases)
  func kind(kind: ErrorKind) throws {
    let error = try #require(errorOfKind[kind])
    #expect(type(of: error).kind == kind)
    #expect(ExitStatus(error).rawValue == ExitStatusTests.kinds[kind])
  }

  @Test("every reason of a backend error has its exit status", arguments: StoreBackendError.Reason.allCases)
  func reason(reason: StoreBackendError.Reason) {
    let error = StoreBackendError(reason, "m", remedy: .tryLater)
    #expect(ExitStatus(error).rawValue == ExitStatusTests.reasons[reason])
  }

  @Test("file errors, line errors, signals and unexpected errors have their exit status")
  func others() {
    #expect(ExitStatus(FileError.unreadable("f", errno: 2)).rawValue == 66)
    #expect(ExitStatus(FileError.uncreatable("f", errno: 2)).rawValue == 73)
    #expect(ExitStatus(FileError.unwritten("f", errno: 28)).rawValue == 74)
    let mismatch = EmbedderMismatchError("m", remedy: .tryLater)
    #expect(ExitStatus(LineError(line: 1, source: "s", underlying: mismatch, state: "")).rawValue == 78)
    #expect(ExitStatus(Interruption(status: .interrupted)).rawValue == 130)
    #expect(ExitStatus(Interruption(status: .terminated)).rawValue == 143)
    #expect(ExitStatus(Interruption(status: .hungUp)).rawValue == 129)
    #expect(ExitStatus(Surprise()).rawValue == 70)
  }

  @Test("a command line that is wrong is 64")
  func usage() throws {
    for words in [["no-such-command"], ["put"]] {
      let error = try #require(throws: UsageError.self) { try CommandTable.grammar.parse(words) }
      #expect(ExitStatus(error).rawValue == 64)
    }
  }

  @Test("each number that a command can end with is explained in the manual, and no other")
  func explained() {
    #expect(
      Set(CommandTable.grammar.exitStatuses.map { Int32($0.code) })
        == Set(ExitStatus.allCases.map(\.rawValue)))
  }
}

@Suite("Errors as they are printed")
struct ErrorPrinterTests {
  private func printer(json: Bool) -> ErrorPrinter {
    ErrorPrinter(output: Output(style: TerminalStyle()), isJSON: json)
  }

  private let chain = StoreBackendError(
    .unreachable, "No \u{1B}[2Jserver.", remedy: .checkServer,
    cause: CorruptCacheError("link", remedy: .repair, cause: Surprise()))

  @Test("as text: the type and message, what to do, and each link of the chain, harmless on a terminal")
  func text() {
    #expect(
      printer(json: false).text(of: chain) == """
        mneme: StoreBackendError: No ^[[2Jserver.
        remediation: Check that Redis is up, and the URL.
        caused by: link
        caused by: Surprise()
        """)
  }

  @Test("as JSON: one object on one line, with the exit status")
  func json() {
    #expect(
      printer(json: true).text(of: chain)
        == #"{"error":"StoreBackendError","message":"No \u001B[2Jserver.","remediation":"Check that Redis is up, and the URL.","#
        + #""causes":["link","Surprise()"],"exit_status":69}"#)
  }

  @Test("an error about a cache names its server and prefix, unless the message does so itself")
  func place() {
    var printer = printer(json: true)
    printer.place = .init(server: "redis://h:6379/0", keyPrefix: "p")
    let damage = CorruptCacheError("The entry 5 has no response.", remedy: .repairEntry)
    #expect(
      printer.text(of: damage).contains(#""The entry 5 has no response (redis://h:6379/0, key prefix 'p').""#)
    )
    let located = CorruptCacheError("The key at redis://h:6379/0 is a list.", remedy: .useOtherPrefix)
    #expect(printer.text(of: located).contains(#""The key at redis://h:6379/0 is a list.""#))
    let input = InvalidInputError("The query is empty.", remedy: .shorten)
    #expect(printer.text(of: input).contains(#""The query is empty.""#))
  }

  @Test("a wrong command line also prints the usage line")
  func usage() throws {
    let error = try #require(throws: UsageError.self) { try CommandTable.grammar.parse(["clear"]) }
    #expect(
      printer(json: false).text(of: error) == """
        mneme: UsageError: NAMESPACE or --all is missing
        remediation: Run 'mneme clear -h' for its options.
        usage: mneme clear [OPTIONS] (NAMESPACE... | --all)
        """)
  }

  @Test("an error in a line has its number, its file, and the lines that are stored")
  func line() {
    let error = LineError(
      line: 12, source: "in\u{7}.jsonl", underlying: InputError("not JSON.", remediation: "Correct it."),
      state: "Nothing was stored.")
    #expect(
      printer(json: false).text(of: error) == """
        mneme: InvalidInputError: in^G.jsonl, line 12: not JSON.
        remediation: Correct it. Nothing was stored.
        """)
  }

  @Test(
    "a file error has the system's reason, an interruption says what is kept, an unexpected error is called a bug"
  )
  func others() {
    let file = printer(json: false).text(of: FileError.unreadable("f", errno: 2))
    #expect(file.hasPrefix("mneme: FileError: The file 'f' cannot be read.\nremediation: "))
    #expect(file.hasSuffix("caused by: No such file or directory"))
    #expect(
      printer(json: false).text(of: Interruption(status: .interrupted)).hasPrefix("mneme: Interrupted: "))
    #expect(printer(json: false).text(of: Surprise()).contains("bug"))
  }
}
