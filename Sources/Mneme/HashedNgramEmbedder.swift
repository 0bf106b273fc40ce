/// The built-in embedder: words and character n-grams, hashed with sign into 384 dimensions.
///
/// It needs no model, no network and no warm-up, and gives the same bytes on every machine and in every release.
/// It compares spelling: two wordings of one question are similar if they share their words, in any order of the small
/// ones. Synonyms are not similar. A model embeds better.
///
/// # Different questions that it finds similar
///
/// The table counts pairs of questions with a similarity of 0.85 (the default threshold) or more, compared with the
/// model all-MiniLM-L6-v2. The numbers in brackets are median similarities. All but the last row are pairs of
/// different questions. `Tests/measure-embedder` makes the table.
///
/// | the two differ in | pairs | built in | all-MiniLM-L6-v2 |
/// | --- | ---: | ---: | ---: |
/// | the order of words (from savings to checking, and back) | 10 | 10 (0.95) | 10 (0.99) |
/// | a negation | 15 | 5 (0.83) | 14 (0.93) |
/// | a date or time | 12 | 1 (0.69) | 7 (0.89) |
/// | a number | 18 | 0 (0.76) | 8 (0.85) |
/// | an opposite (on and off) | 39 | 1 (0.70) | 15 (0.83) |
/// | a name or code | 11 | 0 (0.65) | 1 (0.68) |
/// | nothing that matters: they ask the same | 99 | 45 (0.82) | 71 (0.93) |
///
/// These questions are short. In longer ones a single word has less weight, and such pairs are more similar. No
/// threshold separates reversed questions. `mneme audit` shows the pairs of this kind in a cache.
///
/// # Definition of `mneme:hashed-ngrams-v1`
///
/// All weights and sums are integers, so that the order of adding does not matter. Characters are Unicode code
/// points, strings are hashed as UTF-8, and no property of a character is used but the ranges named here.
///
/// 1. **Text.** `A`–`Z` become `a`–`z`. Nothing else is folded: texts are expected normalized.
/// 2. **Words.** Each character is a letter, a symbol, a separator, or of a script written without spaces, as
///    `CharacterKind` lists. Words are compared, and found in lists, by their hash (step 6). A word is
///    - a run of letters. An apostrophe (U+0027 or U+2019) between two letters parts the run; an ending `s`,
///      `m`, `d`, `ll`, `re` or `ve` so parted is dropped, an ending `t` is joined to the part before it
///      (`can't` is `cant`). A word that `Lexicon.negated` lists becomes two, its other form and `not`;
///    - a symbol;
///    - in scripts without spaces, every 2 (or 4: Thai and its neighbours) successive characters of a run, or
///      the whole of a shorter run.
/// 3. **Stems.** `Lexicon.irregular`, then light English suffix stripping: see `Stem`.
/// 4. **Weights** *w*, by stem: 1 for fillers and light words, 2 for medium ones (`Lexicon`), 3 for the rest.
/// 5. **Features**, each with a key and a weight:
///    - each distinct word: `w` + stem, 4·*w*·1024; but 6·*w*·1024 for a number (`0`–`9` alone) and a
///      symbol, which have no n-grams;
///    - every 2, 3 and 4 successive characters of `<` + word + `>`, for each distinct word, *n* in all and
///      repeats counted: `g` + characters, ⌊5·*w*·1024 / √*n*⌋, root and quotient in double precision;
///    - each distinct pair of successive stems, fillers taken out first, told apart by the hash of both
///      together: `w` + first + second, (*w*₁ + *w*₂)·1024. (So `log in` shares a feature with `login`.)
///    - of a text without any word: `t` + text, 1024.
/// 6. **Hash.** FNV-1a with 64 bits (offset basis 0xcbf29ce484222325, prime 0x100000001b3; Fowler, Noll and Vo,
///    RFC 9923) of the key, then the finalizer of MurmurHash3 (`fmix64`, Austin Appleby), because FNV's
///    upper bits mix badly on short keys.
/// 7. **Dimensions.** Each 16 bits *p* of the hash, from the lowest, name dimension ⌊⌊p/2⌋·384 / 2¹⁵⌋, to which
///    the weight is added, or subtracted where *p* is odd. Four places a feature keep one unlucky collision
///    from making strangers look alike.
/// 8. **Length.** The 384 sums, divided by the root of the sum of their squares (double precision, in the order
///    of the dimensions), rounded once to float32. Should all sums be zero, the first becomes 1.
///
/// Repeats of a word in one text count once. The method is the hashing trick with signs (Weinberger et al.,
/// "Feature Hashing for Large Scale Multitask Learning", 2009) over fastText's word and subword features
/// (Bojanowski et al., 2017). The weights were tuned on Banking77's training questions, with some eighty pairs
/// of questions from other fields as a guard against knowing nothing but banks.
public struct HashedNgramEmbedder: Embedder {
  /// `mneme:hashed-ngrams-v1:dim384`. Another definition would need another name.
  public static let fingerprint = "mneme:hashed-ngrams-v1:dim384"

  /// 384, of every vector.
  public static let dimension = 384

  /// Makes the embedder. There is nothing to load.
  public init() {}

  /// `mneme:hashed-ngrams-v1:dim384`.
  public var fingerprint: String { Self.fingerprint }

  /// 384.
  public var dimension: Int { Self.dimension }

  /// Makes a vector of length 1 for each text, also for an empty one.
  public func embed(_ texts: [String]) -> [[Float]] { texts.map(vector) }

  private func vector(_ text: String) -> [Float] {
    var sums = FeatureSums()
    let words = Words(of: text)
    var seen = HashTable(capacity: 64)
    var seenPairs = HashTable(capacity: 64)
    var previous: (stem: [UInt8], weight: Int)?
    for number in 0..<words.count {
      let word = words[number]
      let stem = Stem(of: word)
      let role = Lexicon.role(of: stem)
      if seen.insert(FNV1a(of: word).finished) {
        sums.add(word, stem: stem, weight: role.weight, hasGrams: words.hasGrams(number))
      }
      guard role != .filler else { continue }
      if let previous {
        let pair = previous.stem + stem.bytes
        if seenPairs.insert(FNV1a(of: pair[...]).finished) {
          sums.add(.word, pair[...], (previous.weight + role.weight) * FeatureSums.unit)
        }
      }
      previous = (stem.bytes, role.weight)
    }
    if words.count == 0 { sums.add(.text, words.text[...], FeatureSums.unit) }
    return sums.direction()
  }
}

/// The first byte of a key. It makes a word and an n-gram that are spelt alike two features.
private enum FeatureFamily: UInt8 {
  case word = 0x77  // w
  case gram = 0x67  // g
  case text = 0x74  // t
}

/// The sum of signed features in each dimension (steps 5 to 8).
private struct FeatureSums {
  /// The unit of integer weights, large enough that dividing by √n leaves enough digits.
  static let unit = 1024

  private var sums = [Int](repeating: 0, count: HashedNgramEmbedder.dimension)

  mutating func add(_ word: ArraySlice<UInt8>, stem: Stem, weight: Int, hasGrams: Bool) {
    guard hasGrams else { return add(.word, stem.bytes[...], 6 * weight * Self.unit) }
    add(.word, stem.bytes[...], 4 * weight * Self.unit)
    addGrams(of: word, energy: 5 * weight * Self.unit)
  }

  mutating func add(_ family: FeatureFamily, _ key: ArraySlice<UInt8>, _ weight: Int) {
    var hash = FNV1a()
    hash.absorb(family.rawValue)
    for byte in key { hash.absorb(byte) }
    add(hash, weight)
  }

  /// The n-grams of all lengths that start at one character share their beginnings, and so their hashing.
  private mutating func addGrams(of word: ArraySlice<UInt8>, energy: Int) {
    let marked = [UInt8(ascii: "<")] + word + [UInt8(ascii: ">")]
    let characters = marked.count { !UTF8.isContinuation($0) }
    let count = (2...4).reduce(0) { $0 + max(0, characters - $1 + 1) }
    let weight = Int(Double(energy) / Double(count).squareRoot())
    for start in marked.indices where !UTF8.isContinuation(marked[start]) {
      var hash = FNV1a()
      hash.absorb(FeatureFamily.gram.rawValue)
      var length = 0
      for index in start..<marked.count {
        hash.absorb(marked[index])
        guard index + 1 == marked.count || !UTF8.isContinuation(marked[index + 1]) else { continue }
        length += 1
        if length > 1 { add(hash, weight) }
        if length == 4 { break }
      }
    }
  }

  private mutating func add(_ hash: FNV1a, _ weight: Int) {
    var bits = hash.finished
    for _ in 0..<4 {
      let part = Int(bits & 0xffff)
      // Swift shifts before it multiplies, hence the outer pair of parentheses.
      sums[((part >> 1) * HashedNgramEmbedder.dimension) >> 15] += part & 1 == 0 ? weight : -weight
      bits >>= 16
    }
  }

  /// The sums as a vector of length 1.
  func direction() -> [Float] {
    var total = 0.0
    for sum in sums { total += Double(sum) * Double(sum) }
    guard total > 0 else { return [1] + [Float](repeating: 0, count: sums.count - 1) }
    let length = total.squareRoot()
    return sums.map { Float(Double($0) / length) }
  }
}
