import Foundation
import Testing

@testable import MnemeCLI

@Suite("Base64")
struct Base64Tests {
  @Test(
    "the test vectors of RFC 4648, section 10, both ways",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ])
  func vectors(plain: String, encoded: String) {
    #expect(base64(Array(plain.utf8)) == encoded)
    #expect(decodeBase64(encoded) == Array(plain.utf8))
  }

  @Test("it agrees with Foundation on all byte values at every length")
  func agreement() {
    for count in 0...67 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count &* 101) }
      #expect(base64(bytes) == Data(bytes).base64EncodedString())
      #expect(decodeBase64(base64(bytes)) == bytes)
    }
    let all = (0...255).map { UInt8($0) }
    #expect(decodeBase64(base64(all)) == all)
  }

  @Test(
    "text that no encoder writes is refused",
    arguments: [
      "A", "AA", "AAA", "AAAAA", "====", "A===", "=A==", "A=A=", "AA=A", "=AAA", "Zg==Zg==", "Zm9v\n", " Zm9",
      "Zm9-",
      "Zm9_", "Zm9é", "Zm9\u{0}",
      // Bits without a meaning.
      "Zh==", "Zm9=",
    ])
  func malformed(text: String) {
    #expect(decodeBase64(text) == nil)
  }
}
