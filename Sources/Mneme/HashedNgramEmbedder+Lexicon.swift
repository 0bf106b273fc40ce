/// How much a word says about which question is asked.
enum WordRole {
  /// Says next to nothing, and stands between words that belong together: `reset my password`.
  case filler
  /// Says little, but its place matters: `from london`, `will be charged`.
  case light
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
  /// By stem; the lists below name whole words, whose stems are taken here.
  static func role(of stem: Stem) -> WordRole { roles[stem.bytes] ?? .full }

  private static let roles: [[UInt8]: WordRole] = {
    var roles: [[UInt8]: WordRole] = [:]
    for (words, role) in [(fillers, WordRole.filler), (lightWords, .light), (mediumWords, .medium)] {
      for word in words.utf8.split(whereSeparator: isBlank) {
        let other = roles.updateValue(role, forKey: Stem(of: Array(word)).bytes)
        assert(other ?? role == role, "no stem is on two lists")
      }
    }
    return roles
  }()

  /// Negated forms, written with or without their apostrophe, and what is left beside `not`.
  static let negated = pairs(
    """
    cant can cannot can dont do didnt did doesnt does isnt is arent are wasnt was werent were aint is
    wont will wouldnt would couldnt could shouldnt should mustnt must neednt need
    havent have hasnt has hadnt had
    """)

  /// Irregular forms and the word that they are forms of.
  static let irregular = pairs(
    """
    used use using use going go goes go went go gone go done do forgot forget forgotten forget lost lose
    sent send bought buy paid pay took take taken take made make stole steal stolen steal got get gotten get
    came come found find broke break broken break kept keep told tell chose choose chosen choose wrote write
    written write gave give given give spent spend knew know known know saw see seen see began begin
    begun begin held hold withdrew withdraw withdrawn withdraw froze freeze frozen freeze thought think
    sold sell brought bring understood understand felt feel said say became become ran run hid hide
    hidden hide shown show
    """)

  /// What may follow an apostrophe without adding to the word before it.
  static let clitics: Set<[UInt8]> = Set(["s", "m", "d", "ll", "re", "ve"].map { Array($0.utf8) })

  private static let fillers = """
    a an the i me my im ive you yours we our it its this that these those
    please pls hi hello hey dear thank just also then than too very really so some any oh ok
    der das den dem ein eine einen einem einer ich mein meine meinen meiner mir mich du sie wir ihr
    le la les un une je mon ma mes vous nous el una mi tu su il lo gli uno mio mia os um uma meu minha
    het een ik mijn
    """

  private static let lightWords = """
    is are am be been being was were do does did doing have has had having
    will would can could should may might shall must there what whats how hows because
    of to in on at for with from by and or but as if into about through during up
    want like need tell let know help try wish wonder look question ask explain
    und oder ist sind kann wie zu zum zur auf für mit von vom bei
    de des et ou est au aux sur avec dans que qui ce cette del al y o se por para con como puedo
    di della dei che per posso da dos em op te voor met dat zijn wat hoe
    """

  private static let mediumWords = """
    which who whom whose when where wheres why
    get use make go give come say think find show able way possible here now already still yet again
    he she they them his him her their us
    """

  private static func pairs(_ words: String) -> [[UInt8]: [UInt8]] {
    let list = words.utf8.split(whereSeparator: isBlank).map(Array.init)
    return Dictionary(
      uniqueKeysWithValues: stride(from: 0, to: list.count, by: 2).map { (list[$0], list[$0 + 1]) })
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a }
}

/// A word without its commonest English endings, so that `cancelled` and `cancelling` meet in `cancel`.
///
/// What comes out need be no word (`charg`), only the same for all forms. In order:
/// 1. an irregular form becomes its word. What is shorter than 4 letters, or holds anything but `a`–`z`, stays;
/// 2. of 5 letters or more, `ies` and `ied` become `y`; else a final `s` goes, unless after `s`, `u` or `i`;
/// 3. `ing`, else `ed`, goes when 3 letters or more with an `a`, `e`, `i`, `o`, `u` or `y` among them stay, and
///    the word does not end in `eed`;
/// 4. of what has more than 3 letters: a final `e` goes; then one of two equal final letters;
/// 5. of what has more than 4 letters: a final `is` becomes `iz`, then a final `our` `or` (British spelling).
struct Stem: Equatable {
  private(set) var bytes: [UInt8]

  init(of word: [UInt8]) {
    bytes = Lexicon.irregular[word] ?? word
    guard bytes.count >= 4, bytes.allSatisfy({ (0x61...0x7a).contains($0) }) else { return }
    stripPlural()
    stripVerbEnding()
    if bytes.count > 3, ends(with: "e") { bytes.removeLast() }
    if bytes.count > 3, bytes[bytes.count - 1] == bytes[bytes.count - 2] { bytes.removeLast() }
    if bytes.count > 4, ends(with: "is") { bytes[bytes.count - 1] = UInt8(ascii: "z") }
    if bytes.count > 4, ends(with: "our") { replaceEnding("our", with: "or") }
  }

  private mutating func stripPlural() {
    if bytes.count > 4, ends(with: "ies") || ends(with: "ied") {
      replaceEnding("ies", with: "y")
    } else if ends(with: "s"), !ends(with: "ss"), !ends(with: "us"), !ends(with: "is") {
      bytes.removeLast()
    }
  }

  private mutating func stripVerbEnding() {
    guard !ends(with: "eed") else { return }
    for ending in ["ing", "ed"] as [StaticString] where ends(with: ending) {
      let rest = bytes.dropLast(ending.utf8CodeUnitCount)
      if rest.count >= 3, rest.contains(where: { "aeiouy".utf8.contains($0) }) {
        bytes = Array(rest)
        return
      }
    }
  }

  private func ends(with ending: StaticString) -> Bool {
    ending.withUTF8Buffer { bytes.suffix($0.count).elementsEqual($0) }
  }

  private mutating func replaceEnding(_ old: StaticString, with new: StaticString) {
    bytes.removeLast(old.utf8CodeUnitCount)
    new.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }
}
