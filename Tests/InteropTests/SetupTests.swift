import Foundation
import TestSupport
import Testing

/// If PyPI cannot be reached, nothing of this suite runs, and the run says so.
@Suite struct SetupTests {
  @Test("if PyPI is not reachable, the setup reports that the tests are skipped, and leaves nothing")
  func outOfReach() throws {
    let place = try TemporaryDirectory()
    let script = place.path("Tests/Interop/setup")
    let files = FileManager.default
    try files.createDirectory(atPath: place.path("Tests/Interop"), withIntermediateDirectories: true)
    try files.copyItem(atPath: Repository.top + "/Tests/Interop/setup", toPath: script)
    // Nothing listens there.
    let environment = Mneme.plainEnvironment.merging(["PIP_INDEX_URL": "http://127.0.0.1:9/simple"]) { $1 }
    // Read by a shell: to execute a file that was just written fails while a child that another test started meanwhile has
    // it open.
    let outcome = try ChildProcess(["bash", script], environment: environment).finish()
    #expect(outcome.status == 1, "\(outcome)")
    #expect(outcome.errorLines.last?.contains("skipped: PyPI cannot be reached") == true, "\(outcome)")
    #expect(!files.fileExists(atPath: place.path(".build/interop")))
  }
}
