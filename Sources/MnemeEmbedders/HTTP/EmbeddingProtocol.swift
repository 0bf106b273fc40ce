import Mneme

/// The request and the response format of a kind of embedding server.
enum EmbeddingProtocol {
  /// `POST /embeddings`: `{"model":…,"input":[…]}` → `{"data":[{"index":0,"embedding":[…]}]}`.
  case openAI
  /// `POST /api/embed`: `{"model":…,"input":[…]}` → `{"embeddings":[[…]]}`.
  case ollama

  /// - Parameter dimensions: the dimension to request, if it is not the model's own.
  func request(_ texts: [String], model: String, dimensions: Int?) -> [UInt8] {
    var body = Array("{\"model\":".utf8) + JSONText.quoted(model) + Array(",\"input\":[".utf8)
    for (index, text) in texts.enumerated() {
      if index > 0 { body.append(UInt8(ascii: ",")) }
      body += JSONText.quoted(text)
    }
    body.append(UInt8(ascii: "]"))
    if let dimensions { body += ",\"dimensions\":\(dimensions)".utf8 }
    body.append(UInt8(ascii: "}"))
    return body
  }

  /// The vectors of an answer, in the order of the texts.
  /// - Throws: `EmbedderError` if there are none.
  func vectors(in answer: JSONText, _ received: ReceivedVectors) throws(EmbedderError) -> [[Float]] {
    let name = self == .openAI ? "data" : "embeddings"
    guard let list = answer[name], list.kind == .array else {
      throw EmbedderError(
        "\(received.source) gave an answer without \"\(name)\".",
        remedy: .checkEmbeddingURL)
    }
    let elements = list.elements
    guard self == .openAI else {
      var vectors: [[Float]] = []
      for element in elements { vectors.append(try received.numbers(in: element)) }
      return vectors
    }
    // The elements come in any order, and each has the index of its text.
    var vectors = [[Float]?](repeating: nil, count: elements.count)
    for element in elements {
      guard let index = element["index"]?.integer, vectors.indices.contains(Int(index)) else {
        throw EmbedderError(
          "\(received.source) gave a vector whose \"index\" is missing or is not that of a text.",
          remedy: .numberVectors)
      }
      guard vectors[Int(index)] == nil else {
        throw EmbedderError(
          "\(received.source) gave two vectors with the \"index\" \(index).",
          remedy: .numberVectors)
      }
      vectors[Int(index)] = try received.numbers(in: element["embedding"])
    }
    return vectors.compactMap(\.self)
  }

  /// The model's own dimension, if it is known.
  static func nativeDimension(of model: String) -> Int? {
    switch model {
    case "text-embedding-3-small": 1536
    case "text-embedding-3-large": 3072
    default: nil
    }
  }
}

extension JSONText {
  /// The member of an object with a name. If there are several, it is the last, as in most parsers.
  subscript(name: String) -> JSONText? { members.last { $0.name == name }?.value }
}
