import Foundation

/// A JSON value as a test looks into it. What is not there is null, so that `value["a"]["b"]` needs no care.
package struct JSONValue: Equatable, CustomStringConvertible {
  private let value: NSObject

  init(_ value: Any?) { self.value = (value as? NSObject) ?? NSNull() }

  /// - Throws: `Unexpected` with the outcome that the bytes came from when they are no JSON.
  init(parsing bytes: [UInt8], in outcome: Outcome) throws {
    guard let value = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) else {
      throw Unexpected("JSON", of: outcome)
    }
    self.init(value)
  }

  /// A value from its text, for comparison.
  package init(_ text: String) throws {
    self.init(try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed))
  }

  package subscript(_ key: String) -> JSONValue { JSONValue((value as? NSDictionary)?[key]) }
  package subscript(_ index: Int) -> JSONValue {
    guard let array = value as? NSArray, array.count > index else { return JSONValue(nil) }
    return JSONValue(array[index])
  }

  package var isNull: Bool { value is NSNull }
  package var string: String? { value as? String }
  package var bool: Bool? { isBoolean ? (value as? NSNumber)?.boolValue : nil }
  package var double: Double? { isBoolean ? nil : (value as? NSNumber)?.doubleValue }
  /// nil for a number with a fraction.
  package var int: Int? { double.flatMap { Int(exactly: $0) } }
  package var array: [JSONValue]? { (value as? NSArray)?.map { JSONValue($0) } }
  /// The keys of an object, sorted; nil for anything else.
  package var keys: [String]? { (value as? NSDictionary)?.allKeys.compactMap { $0 as? String }.sorted() }

  /// Foundation's true is a number, told from the others by the type that it encodes.
  private var isBoolean: Bool {
    guard let number = value as? NSNumber else { return false }
    return String(cString: number.objCType) == "c"
  }

  package var description: String { "\(value)" }
}
