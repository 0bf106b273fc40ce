import Foundation
import Mneme
import Testing

@testable import MnemeCLI

@Suite("Export lines")
struct EntryLineTests {
  private func draft(_ line: String, isExported: Bool = false) throws -> EntryLine.Draft {
    let record = try EntryLine.record(
      from: Array(line.utf8), isExported: isExported, readsSettings: true)
    guard case .entry(let draft) = record else { throw InputError("settings", remediation: "") }
    return draft
  }

  @Test("every field of an entry comes back from its line", arguments: [EmbeddingForm.base64, .array])
  func roundTrip(form: EmbeddingForm) throws {
    let entry = Sample.entry
    let line = EntryLine.Writer(fingerprint: "f:dim2", embeddings: form).line(of: entry)
    #expect(!line.contains("\n"))
    let draft = try draft(line)
    #expect(draft.namespace == entry.namespace)
    #expect(draft.query.utf8.elementsEqual(entry.query.utf8))
    #expect(draft.queryHash == entry.queryHash)
    #expect(draft.response.utf8.elementsEqual(entry.response.utf8))
    #expect(draft.metadata.utf8.elementsEqual(entry.metadata.utf8))
    #expect(draft.createdAt == entry.createdAt)
    #expect(draft.lastAccessedAt == entry.lastAccessedAt)
    #expect(draft.ttl == entry.ttl)
    #expect(draft.accessCount == entry.accessCount)
    #expect(draft.fingerprint == "f:dim2")
    #expect(draft.embedding == entry.embedding)
  }

  @Test("a vector whose length is nearly 1 keeps its bits, in either form")
  func vectors() throws {
    var entry = Sample.entry
    let numbers: [Float] = [0.1, -0.7, 0.000_012_3, .leastNonzeroMagnitude, 0.5]
    entry.embedding = try .normalizing(numbers)
    for form in [EmbeddingForm.base64, .array] {
      let line = EntryLine.Writer(fingerprint: "f", embeddings: form).line(of: entry)
      #expect(try draft(line).embedding == entry.embedding)
    }
    let scaled = try draft(#"{"query":"q","response":"r","embedding":[3,4]}"#).embedding
    #expect(scaled == Embedding([0.6, 0.8]))
  }

  @Test("the members are in the order of the contract, and without an embedding it is null")
  func order() throws {
    let line = EntryLine.Writer(fingerprint: "f", embeddings: .none).line(of: Sample.entry)
    let members = try JSONText(parsing: Array(line.utf8)).members
    #expect(
      members.map(\.name) == [
        "id", "namespace", "query", "query_hash", "response", "metadata", "created_at", "last_accessed_at",
        "ttl",
        "access_count", "embedder_fingerprint", "embedding",
      ])
    #expect(members.last?.value.kind == .null)
    #expect(try draft(line).embedding == nil)
    var lasting = Sample.entry
    lasting.ttl = nil
    #expect(try draft(EntryLine.Writer(fingerprint: "f", embeddings: .none).line(of: lasting)).ttl == nil)
  }

  @Test("metadata that is broken into lines keeps its text, until someone changes the value")
  func metadataText() throws {
    var entry = Sample.entry
    entry.metadata = "{\n  \"n\": 1e400\r\n}\n"
    let line = EntryLine.Writer(fingerprint: "f", embeddings: .base64).line(of: entry)
    #expect(!line.contains("\n") && line.contains(#""metadata":{   "n": 1e400  },"#))
    #expect(try draft(line).metadata.utf8.elementsEqual(entry.metadata.utf8))
    let changed = line.replacing(#"{   "n": 1e400  }"#, with: #"{"n":2}"#)
    #expect(try draft(changed).metadata == #"{"n":2}"#)
  }

  @Test("query and response are enough; null means not given, and unknown members are ignored")
  func least() throws {
    for line in [
      #"{"query":"q","response":"r"}"#,
      #" {"response":"r","query":"q","ttl":null,"metadata":null,"embedding":null,"id":9,"more":{}} "#,
    ] {
      let draft = try draft(line)
      #expect((draft.query, draft.response) == ("q", "r"))
      #expect(draft.metadata == "{}")
      #expect(draft.namespace == nil && draft.queryHash == nil && draft.createdAt == nil && draft.ttl == nil)
      #expect(draft.accessCount == 0)
    }
  }

  @Test("whole numbers are accepted in every spelling, and the fraction of a time is cut off")
  func numbers() throws {
    for (text, ttl) in [("86400.0", 86_400), ("1e5", 100_000), ("1E5", 100_000), ("6.0e1", 60)] {
      #expect(try draft(#"{"query":"q","response":"r","ttl":\#(text)}"#).ttl == Seconds(Int64(ttl)))
    }
    let line =
      #"{"query":"q","response":"r","access_count":3.0,"created_at":1795905398.25,"last_accessed_at":-1.5}"#
    let draft = try draft(line)
    #expect(draft.accessCount == 3)
    #expect(draft.createdAt == UnixTime(1_795_905_398) && draft.lastAccessedAt == UnixTime(-2))
  }

  @Test("unknown members are named")
  func unknownMembers() throws {
    #expect(
      try draft(#"{"query":"u","TTL":60,"response":"r","embeding":[1]}"#).unknownFields == [
        "TTL", "embeding",
      ])
    #expect(try draft(#"{"id":1,"query":"u","response":"r","ttl":null}"#).unknownFields == [])
  }

  @Test("for an object on several lines the error has the command that puts it on one")
  func spread() {
    let error = #expect(throws: InputError.self) { try draft("{") }
    #expect(error?.remediation.contains("jq -c .") == true)
    let other = #expect(throws: InputError.self) { try draft(#"{"query" "q"}"#) }
    #expect(other?.remediation == "Correct or remove the line.")
  }

  @Test("if a name comes twice, the last member is used, as in Python")
  func twice() throws {
    #expect(try draft(#"{"query":"a","response":"r","query":"b"}"#).query == "b")
  }

  @Test(
    "an invalid line is refused, and the message names the field",
    arguments: [
      ("", "not JSON"), ("{", "not JSON"), ("[1]", "array"), (#""text""#, "string"),
      (#"{"response":"r"}"#, "'query'"), (#"{"query":"q"}"#, "'response'"),
      (#"{"query":1,"response":"r"}"#, "'query'"),
      (#"{"query":"\ud800","response":"r"}"#, "'query'"),
      (#"{"query":"q","response":"\udc00x"}"#, "'response'"),
      (#"{"query":"q","response":"r","ttl":0}"#, "'ttl'"),
      (#"{"query":"q","response":"r","ttl":-5}"#, "'ttl'"),
      (#"{"query":"q","response":"r","ttl":1.5}"#, "'ttl'"),
      (#"{"query":"q","response":"r","ttl":"60"}"#, "'ttl'"),
      (#"{"query":"q","response":"r","ttl":9999999999999}"#, "'ttl'"),
      (#"{"query":"q","response":"r","created_at":1e400}"#, "'created_at'"),
      (#"{"query":"q","response":"r","created_at":9223372036854775807}"#, "'created_at'"),
      (#"{"query":"q","response":"r","last_accessed_at":"now"}"#, "'last_accessed_at'"),
      (#"{"query":"q","response":"r","access_count":-1}"#, "'access_count'"),
      (#"{"query":"q","response":"r","metadata":"[]"}"#, "'metadata'"),
      (#"{"query":"q","response":"r","metadata":[]}"#, "'metadata'"),
      (#"{"query":"q","response":"r","query_hash":"ABC"}"#, "'query_hash'"),
      (#"{"query":"q","response":"r","embedding":"AAAA"}"#, "'embedding'"),
      (#"{"query":"q","response":"r","embedding":"!"}"#, "'embedding'"),
      (#"{"query":"q","response":"r","embedding":["a"]}"#, "'embedding'"),
      (#"{"query":"q","response":"r","namespace":3}"#, "'namespace'"),
    ])
  func refused(line: String, mentions: String) throws {
    let error = #expect(throws: InputError.self) { try draft(line) }
    #expect(error?.message.contains(mentions) == true, "\(String(describing: error))")
  }

  @Test("an entry with an id, or after settings, keeps the numbers that were stored")
  func exported() throws {
    let numbers = #""ttl":-5,"created_at":9223372036854775807,"access_count":-1}"#
    for (id, isExported) in [(#""id":1,"#, false), ("", true)] {
      let draft = try draft("{" + id + #""query":"","response":"","# + numbers, isExported: isExported)
      #expect(draft.isExported && draft.ttl == Seconds(-5) && draft.accessCount == -1)
      #expect(draft.createdAt == UnixTime(.max))
    }
  }

  @Test("a vector of zeros is refused")
  func refusedByTheLibrary() {
    #expect(throws: QuantizationError.self) { try draft(#"{"query":"q","response":"r","embedding":[0,0]}"#) }
    #expect(throws: QuantizationError.self) {
      try draft(#"{"query":"q","response":"r","embedding":[1e400,0]}"#)
    }
  }
}
