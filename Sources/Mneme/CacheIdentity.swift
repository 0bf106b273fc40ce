/// The embedder and schema of a cache, as its `meta` records them.
public struct CacheIdentity: Sendable, Equatable {
  /// Names the embedder; see `Embedder.fingerprint`.
  public var fingerprint: String
  /// The length of every stored embedding; 0 if the fingerprint is `none`.
  public var dimension: Int
  /// 1 … `currentSchema`.
  public var schemaVersion: Int

  /// The schema that this library writes, and the highest that it reads.
  public static let currentSchema = 1
  /// The largest dimension, more than that of any embedder. Larger dimensions in a store are refused, so that sizes of
  /// vectors do not overflow.
  static let largestDimension = 1 << 24

  /// The fields of a store's `meta` that hold it.
  package enum Field {
    package static let fingerprint = "embedder_fingerprint"
    package static let dimension = "embedder_dim"
    package static let schemaVersion = "schema_version"
  }

  /// Makes the identity of a cache whose vectors have `dimension` numbers.
  public init(fingerprint: String, dimension: Int, schemaVersion: Int = CacheIdentity.currentSchema) {
    self.fingerprint = fingerprint
    self.dimension = dimension
    self.schemaVersion = schemaVersion
  }

  /// Parses the fields of `meta`.
  /// - Throws: `CorruptCacheError` for a value that is not a number or not a possible dimension,
  ///   `SchemaMigrationError` for a newer schema.
  public init(fingerprint: String, dimension: String?, schemaVersion: String?) throws {
    // The Python library takes a missing schema for the first one.
    let schema = schemaVersion ?? "1"
    guard let schemaNumber = Int(schema), schemaNumber > 0 else {
      throw Self.corrupt(Field.schemaVersion, schema)
    }
    guard schemaNumber <= Self.currentSchema else {
      throw SchemaMigrationError(
        "The cache has schema \(schemaNumber); this version supports schemas up to \(Self.currentSchema).",
        remedy: .useNewerVersion)
    }
    guard let dimension, let dimensionNumber = Int(dimension), 0...Self.largestDimension ~= dimensionNumber
    else {
      throw Self.corrupt(Field.dimension, dimension)
    }
    self.init(fingerprint: fingerprint, dimension: dimensionNumber, schemaVersion: schemaNumber)
  }

  /// Checks that a reader or writer with this identity may use a cache of the identity `stored`.
  /// - Throws: `EmbedderMismatchError`, `EmbedderDimensionError`.
  public func check(against stored: CacheIdentity) throws {
    guard fingerprint.utf8.elementsEqual(stored.fingerprint.utf8) else {
      throw EmbedderMismatchError(
        "The cache was filled by the embedder '\(stored.fingerprint)', not by '\(fingerprint)'.",
        about: .embedder(stored.fingerprint), remedy: .useCacheEmbedder)
    }
    guard dimension == stored.dimension else {
      throw EmbedderDimensionError(
        "The cache holds embeddings of dimension \(stored.dimension), not \(dimension).",
        about: .embedder(stored.fingerprint), remedy: .useCacheEmbedder)
    }
  }

  /// - Throws: `EmbedderDimensionError` for an embedding of another length.
  public func check(_ embedding: Embedding) throws {
    guard embedding.dimension == dimension else {
      throw EmbedderDimensionError(
        "The embedding has \(embedding.dimension) \(embedding.dimension == 1 ? "number" : "numbers"); the cache '\(fingerprint)' holds \(dimension).",
        about: .dimension(dimension), remedy: .matchDimension)
    }
  }

  /// The error for a write that would create a cache and for which no embedder is known.
  public static var unknownToWriter: InvalidInputError {
    InvalidInputError(
      "There is no cache yet, and no embedder to create it with.",
      remedy: .openWithEmbedder)
  }

  private static func corrupt(_ field: String, _ value: String?) -> CorruptCacheError {
    CorruptCacheError(
      "The cache's meta field '\(field)' is \(value.map { "'\($0)', which is not a valid number" } ?? "missing").",
      remedy: .restoreMeta)
  }
}
