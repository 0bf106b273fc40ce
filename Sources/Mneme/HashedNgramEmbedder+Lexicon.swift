/// The importance of a word for what a question asks.
enum WordRole: UInt16 {
  /// A word with little meaning between words that belong together: `reset my password`.
  case filler
  /// Says little, but its place matters: `from london`, `will be charged`.
  case light
  /// Common, and yet part of the question: `when`, `find`, `again`.
  case medium
  /// Everything that no list names: what the question is about.
  case full

  /// The *w* of `HashedNgramEmbedder`.
  var weight: Int {
    switch self {
    case .filler, .light: 1
    case .medium: 2
    case .full: 3
    }
  }
}

/// The word lists of `mneme:hashed-ngrams-v1`. Frozen: a word more would be another embedder.
///
/// English in full; of German, French, Spanish, Italian, Portuguese and Dutch the commonest words that are not
/// English ones too. Negations are on no list: no word decides more.
enum Lexicon {
  static func role(of stem: Stem) -> WordRole {
    roles[FNV1a(of: stem.bytes[...]).finished].flatMap { WordRole(rawValue: $0) } ?? .full
  }

  /// The rest of a negated form without `not`, written without its apostrophe.
  static func positive(of word: ArraySlice<UInt8>) -> [UInt8]? {
    negatedForms[FNV1a(of: word).finished].map { self.word(at: $0, in: negated) }
  }

  /// The word that an irregular form is a form of.
  static func base(of word: ArraySlice<UInt8>) -> [UInt8]? {
    irregularForms[FNV1a(of: word).finished].map { self.word(at: $0, in: irregular) }
  }

  /// Whether this may follow an apostrophe without adding to the word before it: `s`, `m`, `d`, `ll`, `re`, `ve`.
  static func isClitic(_ word: ArraySlice<UInt8>) -> Bool {
    switch (word.first, word.dropFirst().first, word.count) {
    case (UInt8(ascii: "s"), _, 1), (UInt8(ascii: "m"), _, 1), (UInt8(ascii: "d"), _, 1): true
    case (UInt8(ascii: "l"), UInt8(ascii: "l"), 2): true
    case (UInt8(ascii: "r"), UInt8(ascii: "e"), 2), (UInt8(ascii: "v"), UInt8(ascii: "e"), 2): true
    default: false
    }
  }

  // MARK: Lists

  // Stems, as they are looked up: `thes` is `these`, `her` is also `here`.

  private static let fillers: StaticString = """
    a an the i me my im ive you your we our it its this that thes thos
    pleas pls hi hello hey dear thank just also then than too very really so som any oh ok
    der das den dem ein einen einem einer ich mein meinen meiner mir mich du sie wir ihr
    le la les un une je mon ma mes vous nous el una mi tu su il lo gli uno mio mia os um uma meu minha
    het een ik mijn
    """

  private static let lightWords: StaticString = """
    is are am be been being was wer do doe did doing hav has had
    wil would can could should may might shal must ther what how becaus
    of to in on at for with from by and or but as if into about through dur up
    want lik need tel let know help try wish wonder look question ask explain
    und oder ist sind kan wie zu zum zur auf für mit von vom bei
    de des et ou est au aux sur avec dan que qui ce cet del al y o se por para con como puedo
    di della dei che per posso da dos em op te voor met dat zijn wat hoe
    """

  private static let mediumWords: StaticString = """
    which who whom whos when wher why
    get use mak go giv com say think find show abl way possibl her now already stil yet again
    he she they them his him their us
    """

  /// Form, other form, form, other form …
  private static let negated: StaticString = """
    cant can cannot can dont do didnt did doesnt does isnt is arent are wasnt was werent were aint is
    wont will wouldnt would couldnt could shouldnt should mustnt must neednt need
    havent have hasnt has hadnt had
    """

  /// Form, base, form, base …
  private static let irregular: StaticString = """
    used use using use going go goes go went go gone go done do forgot forget forgotten forget lost lose
    sent send bought buy paid pay took take taken take made make stole steal stolen steal got get gotten get
    came come found find broke break broken break kept keep told tell chose choose chosen choose wrote write
    written write gave give given give spent spend knew know known know saw see seen see began begin
    begun begin held hold withdrew withdraw withdrawn withdraw froze freeze frozen freeze thought think
    sold sell brought bring understood understand felt feel said say became become ran run hid hide
    hidden hide shown show
    """

  // MARK: Tables

  // Made by the first text of a process, from the lists: some microseconds.

  private static let roles: HashTable = {
    var table = HashTable(capacity: 512)
    for (list, role) in [(fillers, WordRole.filler), (lightWords, .light), (mediumWords, .medium)] {
      forEachWord(in: list) { hash, _ in
        let isNew = table.insert(hash, role.rawValue)
        assert(isNew, "no stem is listed twice")
      }
    }
    return table
  }()

  private static let negatedForms = formTable(negated)
  private static let irregularForms = formTable(irregular)

  /// Each first word of a list of pairs, with the place of the second.
  private static func formTable(_ list: StaticString) -> HashTable {
    var table = HashTable(capacity: 256)
    var form: UInt64?
    forEachWord(in: list) { hash, start in
      if let known = form { table.insert(known, UInt16(start)) }
      form = form == nil ? hash : nil
    }
    return table
  }

  /// Takes a list apart at its spaces and line breaks.
  private static func forEachWord(in list: StaticString, _ body: (_ hash: UInt64, _ start: Int) -> Void) {
    var start = 0
    while start < list.utf8CodeUnitCount {
      var end = start
      var hash = FNV1a()
      while end < list.utf8CodeUnitCount, !isBlank(list.utf8Start[end]) {
        hash.absorb(list.utf8Start[end])
        end += 1
      }
      if end > start { body(hash.finished, start) }
      start = end + 1
    }
  }

  private static func word(at start: UInt16, in list: StaticString) -> [UInt8] {
    var word: [UInt8] = []
    var index = Int(start)
    while index < list.utf8CodeUnitCount, !isBlank(list.utf8Start[index]) {
      word.append(list.utf8Start[index])
      index += 1
    }
    return word
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n")
  }
}
