/// A store did something else than the contract says.
public struct StoreNonconformance: Error, CustomStringConvertible {
  /// The expectation, the result, and their place in the battery.
  public let description: String
}

func expect(
  _ condition: Bool, _ explanation: @autoclosure () -> String, file: String = #fileID, line: Int = #line
) throws {
  if !condition { throw StoreNonconformance(description: "\(file):\(line): \(explanation())") }
}

func expectEqual<Value: Equatable>(
  _ found: Value, _ expected: Value, _ what: String, file: String = #fileID, line: Int = #line
) throws {
  try expect(found == expected, "\(what): \(found), not \(expected)", file: file, line: line)
}

/// Passes on what is there.
func present<Value>(
  _ found: Value?, _ what: String, file: String = #fileID, line: Int = #line
) throws -> Value {
  guard let found else { throw StoreNonconformance(description: "\(file):\(line): \(what) is missing") }
  return found
}

func expectThrows<Failure: Error, Result>(
  _ type: Failure.Type, _ what: String, file: String = #fileID, line: Int = #line, _ body: () throws -> Result
) throws {
  do {
    let result = try body()
    try expect(false, "\(what): no \(type) but \(result)", file: file, line: line)
  } catch is Failure {
    return
  } catch let error as StoreNonconformance {
    throw error
  } catch {
    try expect(false, "\(what): no \(type) but \(error)", file: file, line: line)
  }
}
