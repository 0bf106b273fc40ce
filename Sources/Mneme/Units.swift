/// A moment, in whole seconds since 1970-01-01T00:00:00Z, as entries store it.
public struct UnixTime: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number of seconds since 1970.
  public let rawValue: Int64

  public init(rawValue: Int64) { self.rawValue = rawValue }
  /// Makes a time of seconds since 1970.
  public init(_ seconds: Int64) { rawValue = seconds }

  public static func < (a: UnixTime, b: UnixTime) -> Bool { a.rawValue < b.rawValue }

  /// Adds a span. The result saturates, so that a hostile time near the end of the range cannot crash the process.
  public static func + (time: UnixTime, span: Seconds) -> UnixTime {
    let (sum, overflow) = time.rawValue.addingReportingOverflow(span.rawValue)
    return UnixTime(overflow ? (span.rawValue < 0 ? .min : .max) : sum)
  }

  /// Returns the span between two times. The result saturates too.
  public static func - (later: UnixTime, earlier: UnixTime) -> Seconds {
    let (difference, overflow) = later.rawValue.subtractingReportingOverflow(earlier.rawValue)
    return Seconds(overflow ? (earlier.rawValue < 0 ? .max : .min) : difference)
  }
}

/// A span of whole seconds: a time to live, an age.
public struct Seconds: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number of seconds.
  public let rawValue: Int64

  public init(rawValue: Int64) { self.rawValue = rawValue }
  /// Makes a span of seconds.
  public init(_ seconds: Int64) { rawValue = seconds }

  public static func < (a: Seconds, b: Seconds) -> Bool { a.rawValue < b.rawValue }
}

/// The number of an entry, allocated once in a cache's life and kept through replacement.
public struct EntryID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The number of the entry, from 1 on.
  public let rawValue: Int64

  public init(rawValue: Int64) { self.rawValue = rawValue }
  /// Makes the id with a number.
  public init(_ number: Int64) { rawValue = number }

  public static func < (a: EntryID, b: EntryID) -> Bool { a.rawValue < b.rawValue }
  public var description: String { String(rawValue) }
}

/// The name of a part of the cache: any non-empty text. Entries of one namespace are never served in another.
///
/// Two names are equal if their bytes in UTF-8 are equal. They sort by these bytes, as keys in a store do and as Python
/// compares strings. Swift's `String` would take a precomposed `é` and `e` with a combining accent for one name, and so
/// one tenant for another.
public struct Namespace: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The name as it was given.
  public let name: String

  /// The namespace of callers that name none: `default`.
  public static let `default` = Namespace(unchecked: "default")

  /// - Throws: `InvalidInputError` when the name is empty.
  public init(_ name: String) throws {
    guard !name.isEmpty else {
      throw InvalidInputError(
        "The name of a namespace cannot be empty.", remedy: .nameNamespace)
    }
    self.name = name
  }

  /// Makes a name that is known not to be empty, or one from a store. The Python library accepts the empty name too.
  /// Its entries are read and removed like others, but mneme writes none.
  package init(unchecked name: String) { self.name = name }

  public static func == (a: Namespace, b: Namespace) -> Bool { a.name.utf8.elementsEqual(b.name.utf8) }
  public static func < (a: Namespace, b: Namespace) -> Bool {
    a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
  }
  public func hash(into hasher: inout Hasher) {
    name.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
      ?? name.utf8.forEach { hasher.combine($0) }
  }
  public var description: String { name }
}
