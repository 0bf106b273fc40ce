/// Pairs of words with opposite meanings.
enum Opposites {
  /// Whether two words, in lower case, are opposites.
  static func are(_ a: String, _ b: String) -> Bool {
    let (stemA, stemB) = (WordLists.stem(a), WordLists.stem(b))
    guard stemA != stemB else { return false }
    if table[stemA]?.contains(stemB) ?? false { return true }
    let (short, long) = a.count < b.count ? (a, b) : (b, a)
    return prefixes.contains { prefix in
      long.hasPrefix(prefix) && short.count >= 4 && !chance.contains(long)
        && WordLists.stem(String(long.dropFirst(prefix.count))) == WordLists.stem(short)
    }
  }

  /// "un" and "lock" make the opposite of "lock".
  private static let prefixes = ["un", "dis", "non", "ent"]
  /// Words that begin with one of these by chance.
  private static let chance: Set<String> = [
    "discount", "discover", "display", "dispatch", "dispose", "distribute", "discard", "disease", "uncover",
    "unit",
    "entlang", "entlassen", "enter", "entfallen",
  ]

  private static let table: [String: Set<String>] = {
    var table: [String: Set<String>] = [:]
    for pair in pairs.split(whereSeparator: \.isNewline) {
      let sides = pair.split(separator: "/").map {
        $0.split(separator: " ").map { WordLists.stem(String($0)) }
      }
      for a in sides[0] {
        for b in sides[1] {
          table[a, default: []].insert(b)
          table[b, default: []].insert(a)
        }
      }
    }
    return table
  }()

  /// One pair of sides on each line. Every word on one side is an opposite of every word on the other.
  private static let pairs = """
    on / off
    in / out
    to into onto / from
    physical actual / virtual
    up / down
    enable activate start / disable deactivate stop
    before earlier / after later
    buy purchase / sell sale
    increase raise grow / decrease lower reduce shrink
    open / close
    add / remove delete subtract
    install / uninstall
    allow permit / deny forbid block prohibit refuse
    accept approve / reject decline refuse
    send / receive
    deposit / withdraw withdrawal
    credit / debit
    import / export
    upload / download
    encrypt encode compress / decrypt decode decompress
    login signin / logout signout
    show / hide
    first / last
    minimum min least lowest / maximum max most highest
    more / less fewer
    high higher / low lower
    large larger big bigger / small smaller
    long longer / short shorter
    fast faster / slow slower
    early / late
    new newer / old older
    hot / cold
    left / right
    top / bottom
    front / back
    inside indoor / outside outdoor
    above over / below under beneath
    with / without
    public / private
    online / offline
    sync / async
    win / lose
    win / loss
    profit gain / loss
    push / pull
    read / write
    lend / borrow
    attach / detach
    arrive arrival arriving / depart departure departing leave
    begin / end finish
    freeze / unfreeze thaw
    mute / unmute
    join / leave
    create / delete destroy
    ascending / descending
    horizontal / vertical
    incoming inbound / outgoing outbound
    valid / invalid
    legal / illegal
    possible / impossible
    active / inactive
    complete / incomplete
    correct / incorrect wrong
    internal / external
    include / exclude
    upgrade / downgrade
    domestic national / international foreign
    male / female
    parent / child
    input / output
    client / server
    source / target destination
    always / never
    success succeed / failure fail
    safe / dangerous unsafe
    cheap / expensive
    empty / full
    easy / hard difficult
    mandatory required / optional
    permanent / temporary
    single / multiple
    same / different
    physical / virtual
    manual / automatic
    pass / fail
    gross / net
    refund / charge
    hire / fire
    an ein / aus ab
    einschalten anschalten aktivieren / ausschalten abschalten deaktivieren
    öffnen / schließen
    öffne / schließe
    anmelden einloggen / abmelden ausloggen
    kaufen / verkaufen
    kaufe / verkaufe
    einzahlen / auszahlen abheben
    erhöhen steigern / senken verringern reduzieren
    hinzufügen / entfernen löschen
    senden schicken / empfangen erhalten
    vor vorher / nach nachher danach
    mit / ohne
    mehr / weniger
    hoch höher / niedrig niedriger
    groß größer / klein kleiner
    lang länger / kurz kürzer
    schnell schneller / langsam langsamer
    früh früher / spät später
    neu / alt
    warm heiß / kalt
    links / rechts
    oben / unten
    innen drinnen / außen draußen
    erlauben zulassen / verbieten sperren
    annehmen / ablehnen
    anzeigen einblenden / ausblenden verbergen
    erste ersten / letzte letzten
    minimal / maximal
    öffentlich / privat
    gültig / ungültig
    aktiv / inaktiv
    richtig / falsch
    ankunft / abfahrt abflug
    hinfahrt hinflug / rückfahrt rückflug
    beginn anfang / ende
    eingang / ausgang
    einnahmen / ausgaben
    gewinn / verlust
    brutto / netto
    kommen / gehen
    hochladen / herunterladen
    verschlüsseln / entschlüsseln
    installieren / deinstallieren
    billig / teuer
    voll / leer
    leicht einfach / schwer schwierig
    vorteile / nachteile
    sperren / entsperren freigeben
    """
}
