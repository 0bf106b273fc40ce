/// Lists of English and German words that change the meaning of a query, or do not. They were written for this purpose
/// and are not taken from another list.
enum WordLists {
  static let negations: Set<String> = [
    "not", "no", "never", "none", "nothing", "nobody", "nowhere", "neither", "nor", "without", "nicht", "nie",
    "niemals", "ohne", "nichts", "niemand", "nirgends", "weder",
  ]

  /// Verbs with a "not", as one word: written without the apostrophe, or with one where the verb is spelled
  /// differently.
  static let contractions: [String: String] = {
    var verbs = [
      "can't": "can", "cannot": "can", "cant": "can", "won't": "will", "wont": "will", "shan't": "shall",
      "ain't": "is",
    ]
    for verb in [
      "are", "could", "did", "do", "does", "had", "has", "have", "is", "must", "need", "should", "was",
      "were", "would",
    ] { verbs[verb + "nt"] = verb }
    return verbs
  }()

  static let numbers: [String: String] = {
    var numbers: [String: String] = [:]
    let english = [
      "zero", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
      "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ]
    let german = [
      "null", "", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
      "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn", "zwanzig",
    ]
    for words in [english, german] {
      for (number, word) in words.enumerated() where !word.isEmpty { numbers[word] = String(number) }
    }
    let tens = [
      ("thirty", "dreißig"), ("forty", "vierzig"), ("fifty", "fünfzig"), ("sixty", "sechzig"),
      ("seventy", "siebzig"), ("eighty", "achtzig"), ("ninety", "neunzig"),
    ]
    for (place, words) in tens.enumerated() {
      numbers[words.0] = String(10 * (place + 3))
      numbers[words.1] = String(10 * (place + 3))
    }
    numbers.merge(["hundred": "100", "hundert": "100", "thousand": "1000", "tausend": "1000"]) { $1 }
    return numbers
  }()

  /// Units that follow a number without a space.
  static let units: Set<String> = [
    "st", "nd", "rd", "th", "k", "m", "b", "kb", "mb", "gb", "tb", "kg", "g", "mg", "cm", "mm", "km", "ml",
    "l",
    "h", "min", "s", "ms", "am", "pm", "x", "eur", "usd", "gbp",
  ]

  /// Words for times, each with the first of its spellings, so that two spellings do not count as a difference.
  static let dates: [String: String] = {
    let groups = [
      "january jan januar", "february feb februar", "march märz", "april apr", "june jun juni",
      "july jul juli",
      "august aug", "september sep sept", "october oct oktober", "november nov", "december dec dezember dez",
      "monday mondays montag montags", "tuesday tuesdays dienstag dienstags",
      "wednesday wednesdays mittwoch mittwochs", "thursday thursdays donnerstag donnerstags",
      "friday fridays freitag freitags", "saturday saturdays samstag samstags sonnabend",
      "sunday sundays sonntag sonntags", "today today's heute", "tomorrow", "yesterday gestern", "tonight",
      "übermorgen", "vorgestern", "weekend weekends wochenende", "weekday weekdays werktag werktags",
      "daily täglich", "weekly wöchentlich", "monthly monatlich", "quarterly vierteljährlich",
      "yearly annual annually jährlich", "hourly stündlich", "christmas weihnachten", "easter ostern",
      "spring frühling", "summer sommer", "autumn herbst", "winter", "noon mittag", "midnight mitternacht",
    ]
    var dates: [String: String] = [:]
    for words in groups.map({ $0.split(separator: " ").map(String.init) }) {
      for word in words { dates[word] = words[0] }
    }
    return dates
  }()

  /// Words that give a direction or an order.
  static let directions: Set<String> = [
    "from", "to", "into", "onto", "than", "before", "after", "by", "over", "instead", "versus", "vs", "via",
    "through",
    "von", "nach", "zu", "zum", "zur", "vom", "aus", "als", "vor", "statt", "gegen", "über", "bis", "if",
    "wenn",
  ]

  /// Words that do not change the meaning.
  static let fillers: Set<String> = [
    "a", "an", "the", "please", "just", "really", "der", "die", "das", "den", "dem", "des", "ein", "eine",
    "einen",
    "einem", "einer", "bitte", "denn", "eigentlich", "mal",
  ]

  /// Words that show that a text is German, where every noun is capitalized.
  static let german: Set<String> = [
    "der", "die", "das", "und", "ich", "nicht", "ist", "wie", "mein", "meine", "meinen", "kann", "wo",
    "warum", "wann",
    "für", "mit", "auf", "wird", "werden", "habe", "sie", "wir", "ein", "eine", "einen", "kein", "keine",
    "beim", "zum",
  ]

  /// Removes endings that do not change the meaning of a word.
  static func stem(_ word: String) -> String {
    guard word.utf8.allSatisfy({ $0 < 0x80 }) else { return word }
    var stem = Substring(word)
    for (ending, least) in [("ing", 6), ("ies", 5), ("ed", 5), ("es", 5), ("s", 4)]
    where stem.hasSuffix(ending) && stem.count >= least && !stem.hasSuffix("ss") {
      stem = stem.dropLast(ending.count)
      if let last = stem.last, stem.dropLast().last == last, !"lsz".contains(last),
        ending == "ing" || ending == "ed"
      {
        stem = stem.dropLast()
      }
      break
    }
    if stem.count > 3, let last = stem.last, "eyi".contains(last) { stem = stem.dropLast() }
    return String(stem)
  }
}
