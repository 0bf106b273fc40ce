import Foundation
import Testing

@testable import Mneme

@Suite("What two texts differ in")
struct TextDifferenceTests {
  /// Texts that do not ask for the same, a pair a line, under what they differ in.
  private static let different: [(TextDifference, String)] = [
    (
      .number,
      """
      How do I return an item within 30 days? | How do I return an item within 3 days?
      What happens after two failed payments? | What happens after three failed payments?
      Transfer 1,000 euros | Transfer 10,000 euros
      Is there a fee of 2.5% on transfers? | Is there a fee of 25% on transfers?
      Reset error 404 | Reset error 500
      Can I carry 20kg? | Can I carry 30kg?
      What is 15% of 200? | What is 20% of 200?
      How many calories are in 2 eggs? | How many calories are in 4 eggs?
      Upgrade to version 3.1 | Upgrade to version 3.2
      Pay $50 to my card | Pay €50 to my card
      Wie lange dauert es bei 5 Personen? | Wie lange dauert es bei 50 Personen?
      Kündigung mit drei Monaten Frist | Kündigung mit sechs Monaten Frist
      Convert 100 usd | Convert 1000 usd
      How tall is floor 12? | How tall is floor 21?
      Is the train at platform 9? | Is the train at platform 6?
      Can I get a mortgage over 25 years? | Can I get a mortgage over 35 years?
      Refund after 14 days | Refund after 40 days
      Overdraft limit of 500 | Overdraft limit of 5000
      """
    ),
    (
      .date,
      """
      Are you open on Monday? | Are you open on Sunday?
      What is the weather today? | What is the weather tomorrow?
      Book a flight on 2024-03-01 | Book a flight on 2024-03-11
      When is the sale in March 2024? | When is the sale in April 2024?
      Remind me at 10:30 | Remind me at 11:30
      Is there a monthly plan? | Is there a yearly plan?
      Habt ihr am Samstag offen? | Habt ihr am Dienstag offen?
      Wie wird das Wetter heute? | Wie wird das Wetter übermorgen?
      Statement of January | Statement of February
      What did I spend yesterday? | What did I spend today?
      Delivery on 01.05.2024 | Delivery on 05.01.2024
      Is the shop closed at Easter? | Is the shop closed at Christmas?
      """
    ),
    (
      .negation,
      """
      Can I cancel my order? | Can't I cancel my order?
      Is the card accepted abroad? | Is the card not accepted abroad?
      Why was my payment declined? | Why wasn't my payment declined?
      Which foods contain gluten? | Which foods contain no gluten?
      Recipes with nuts | Recipes without nuts
      Does this work offline? | Doesn't this work offline?
      I have received my card | I have never received my card
      Ich habe eine Rechnung bekommen | Ich habe keine Rechnung bekommen
      Kann ich das zurückgeben? | Kann ich das nicht zurückgeben?
      Reisen mit Visum | Reisen ohne Visum
      The app won't start | The app will start
      What can I eat when pregnant? | What can I not eat when pregnant?
      Is there nothing to pay? | Is there something to pay?
      Warum wird die Zahlung angenommen? | Warum wird die Zahlung nicht angenommen?
      Who can see my posts? | Who cannot see my posts?
      """
    ),
    (
      .opposite,
      """
      How do I turn on notifications? | How do I turn off notifications?
      How do I enable two-factor login? | How do I disable two-factor login?
      Can I pay before delivery? | Can I pay after delivery?
      Should I buy this stock? | Should I sell this stock?
      How to lock my card | How to unlock my card
      How do I log in? | How do I log out?
      How do I subscribe to the newsletter? | How do I unsubscribe from the newsletter?
      What is the maximum transfer? | What is the minimum transfer?
      Increase my credit limit | Decrease my credit limit
      How do I add a user? | How do I remove a user?
      Upload a file | Download a file
      Is the shop opening? | Is the shop closing?
      Connect my bank account | Disconnect my bank account
      How do I activate my card? | How do I deactivate my card?
      What are the arrival times? | What are the departure times?
      When was my transfer accepted? | When was my transfer rejected?
      Import contacts | Export contacts
      Encrypt the disk | Decrypt the disk
      Show hidden files | Hide hidden files
      Make the repository public | Make the repository private
      What is the highest rate? | What is the lowest rate?
      Why did the balance go up? | Why did the balance go down?
      Sort in ascending order | Sort in descending order
      What are the fees for domestic transfers? | What are the fees for international transfers?
      How do I freeze my card? | How do I unfreeze my card?
      Is the first month free? | Is the last month free?
      Where does the train arrive? | Where does the train depart?
      Send money to a friend | Receive money from a friend
      Kann ich online Geld einzahlen? | Kann ich online Geld abheben?
      Wo ist der Eingang? | Wo ist der Ausgang?
      Mute the call | Unmute the call
      Wie schalte ich das Licht ein? | Wie schalte ich das Licht aus?
      Wie kann ich mein Konto sperren? | Wie kann ich mein Konto entsperren?
      Wo kann ich Aktien kaufen? | Wo kann ich Aktien verkaufen?
      Wie kann ich das Limit erhöhen? | Wie kann ich das Limit senken?
      Vor dem Essen einnehmen | Nach dem Essen einnehmen
      Ist der Ausweis gültig? | Ist der Ausweis ungültig?
      """
    ),
    (
      .order,
      """
      Transfer money from savings to checking | Transfer money from checking to savings
      Convert dollars to euros | Convert euros to dollars
      Fly from Berlin to Paris | Fly from Paris to Berlin
      Is tea healthier than coffee? | Is coffee healthier than tea?
      Do I add milk before flour? | Do I add flour before milk?
      Translate from English into German | Translate from German into English
      Fahrt von Köln nach Bonn | Fahrt von Bonn nach Köln
      Move files from the server to the laptop | Move files from the laptop to the server
      Port Python to Rust | Port Rust to Python
      Is A included if B is paid? | Is B included if A is paid?
      """
    ),
    (
      .name,
      """
      How do I cancel my Netflix subscription? | How do I cancel my Spotify subscription?
      What is the capital of France? | What is the capital of Italy?
      Where is order AB-1234? | Where is order AB-1243?
      Does it run on iOS? | Does it run on Android?
      Is the VAT included? | Is the GST included?
      What does "paid leave" mean? | What does "sick leave" mean?
      Call the function `open` | Call the function `seek`
      Wer ist der CEO? | Wer ist der CFO?
      Install Windows11 please | Install Windows10 please
      Is Anna in the office? | Is Peter in the office?
      Review of the model X100 | Review of the model X200
      """
    ),
  ]

  /// Texts that ask for the same.
  private static let paraphrases = """
    How do I reset my password? | How can I reset my password?
    How do I reset my password? | What must I do to change my password?
    I forgot my password | My password is forgotten
    What are your opening hours? | When are you open?
    Where is my order? | Where has my order got to?
    How long does shipping take? | How long does delivery take?
    Can I get a refund? | Is it possible to get my money back?
    My card was declined | Why has my card been declined?
    How do I close my account? | How can I get my account closed?
    What is the exchange rate? | Please tell me the exchange rate
    How do I contact support? | How do I reach customer support?
    I lost my card | My card is lost
    Do you ship abroad? | Do you ship to other countries?
    What payment methods do you accept? | Which payment methods are accepted?
    How do I change my address? | How do I update my address?
    Can I return an item after 30 days? | After 30 days, can I return an item?
    Where can I find my invoice? | Where do I find the invoice?
    Is there a mobile app? | Do you have a mobile app?
    How do I track a parcel? | How can I track my parcel?
    What does the premium plan cost? | How much is the premium plan?
    How do I install the app? | How is the app installed?
    The app crashes | The app keeps crashing
    Can I have two accounts? | Can I have 2 accounts?
    A fee of 1,000 euros | A fee of 1000 euros
    The twentieth of 12 boxes | The twentieth of twelve boxes
    Are you open on Sundays? | Are you open on a Sunday?
    Is the meeting in January? | Is the meeting in Jan?
    Do you sell gift cards? | Do you sell gift vouchers?
    How do I pay with PayPal? | How do I pay with paypal?
    Transfer money from savings to checking | How do I transfer money from savings to checking?
    Transfer from savings to checking | Transfer to checking from savings
    Fly from Berlin to Paris | Fly to Paris from Berlin
    Which documents do I need? | What documents are needed?
    Why is my account blocked? | Why has my account been blocked?
    How do I verify my identity? | How can my identity be verified?
    Who is my account manager? | Who's my account manager?
    I can not log in | I cannot log in
    I can't log in | I cannot log in
    It doesn't work | It does not work
    It won't start | It will not start
    Top up by card | Topping up by card
    My top up failed | My top-up failed
    What is a direct debit? | What are direct debits?
    Please cancel my order | Cancel my order
    Cancel the order, please | Please cancel the order
    Track my parcels | Tracking my parcel
    How do I apply for a loan? | How can I apply for the loan?
    What's the weather like? | What is the weather like?
    Recipe for pancakes | Pancake recipes
    best way to learn swift | What is the best way to learn Swift?
    sort a list in python | How to sort a list in Python
    Sort a list in Python | In Python, sort a list
    capital of France | What is the capital of France?
    Who wrote Hamlet? | Who is the author of Hamlet?
    Is Hamlet a play? | Hamlet is a play?
    How far is the moon? | How far away is the moon?
    Define photosynthesis | What is photosynthesis?
    What does HTTP mean? | What is the meaning of HTTP?
    Explain DNS to me | Can you explain DNS?
    WHAT ARE YOUR FEES | What are your fees?
    How Do I Cancel My Plan | how do I cancel my plan
    Wie setze ich mein Passwort zurück? | Wie kann ich mein Passwort zurücksetzen?
    Wie ändere ich mein Passwort? | Wie ändere ich mein Kennwort?
    Wo finde ich die Rechnung? | Wo ist meine Rechnung?
    Wann habt ihr geöffnet? | Wann seid ihr geöffnet?
    Was kostet der Versand? | Wie teuer ist der Versand?
    Wie lange dauert die Lieferung? | Wie lange dauert der Versand?
    Ich habe zwei Konten | Ich habe 2 Konten
    Habt ihr am Samstag offen? | Habt ihr samstags offen?
    Bitte das Konto löschen | Das Konto bitte löschen
    Ich kann mich nicht anmelden | Die Anmeldung geht bei mir nicht
    Kann ich mit Karte zahlen? | Ist eine Zahlung mit Karte möglich?
    Fahrt von Köln nach Bonn | Fahrt nach Bonn von Köln
    How do I get my money out of the account? | How do I get money out of my account?
    Is my money safe? | Is my money safe with you?
    Why do I have to verify my identity? | Why must I verify who I am?
    How do I order a new card? | How do I get a new card?
    My card has not arrived yet | My card still has not arrived
    There is a payment that I do not recognise | I do not recognise this payment
    The cash machine kept my card | My card was swallowed by the cash machine
    Which currencies can I hold? | What currencies do you support?
    How old must I be to open an account? | What is the minimum age to open an account?
    Can my child open an account? | Can children have an account?
    I was charged twice | I have been charged twice
    Was heißt Brutto? | Was bedeutet Brutto?
    Wie eröffne ich ein Konto? | Wie kann man ein Konto eröffnen?
    Gibt es eine App? | Habt ihr eine App?
    Is there a fee? | Do I pay a fee?
    How do I change my PIN? | How can my PIN be changed?
    Can I use my card abroad? | Does my card work abroad?
    My transfer is pending | Why is my transfer still pending?
    Which countries do you support? | In which countries are you available?
    Can I get a second card? | Can I have a second card?
    When will my refund arrive? | When does my refund arrive?
    The exchange rate was wrong | I got a wrong exchange rate
    Kann ich meine Bestellung ändern? | Lässt sich meine Bestellung ändern?
    Wo ist mein Paket? | Wo bleibt mein Paket?
    """

  private static func pairs(_ text: String) -> [(String, String)] {
    text.split(separator: "\n").map { line in
      let sides = line.components(separatedBy: " | ")
      return (sides[0], sides[1])
    }
  }

  @Test("finds what tells one question from another, in either order")
  func dangerous() {
    for (difference, text) in Self.different {
      for (a, b) in Self.pairs(text) {
        for (a, b) in [(a, b), (b, a)] {
          let found = TextComparison(a, b)
          #expect(found.differences.contains(difference), "\(a) | \(b): \(found.differences)")
          #expect(!found.differences.contains(.other))
          for (ranges, text) in [(found.first, a), (found.second, b)] {
            #expect(ranges.allSatisfy { $0.upperBound <= text.endIndex && !$0.isEmpty })
          }
          #expect(!(found.first + found.second).isEmpty)
        }
      }
    }
  }

  @Test("finds no sign in paraphrases")
  func harmless() {
    for (a, b) in Self.pairs(Self.paraphrases) {
      let signs = Set(TextComparison(a, b).differences).subtracting([.other])
      #expect(signs.isEmpty, "\(a) | \(b): \(signs)")
    }
  }

  @Test("sees nothing between texts of the same words, and something other between others")
  func same() {
    #expect(TextComparison("How do I pay?", "how do I  PAY").differences == [])
    #expect(TextComparison("", "").differences == [])
    #expect(TextComparison("", "?!").differences == [])
    #expect(TextComparison("tea", "coffee").differences == [.other])
    #expect(TextComparison("", "coffee").differences == [.other])
  }

  @Test("names the words that differ")
  func ranges() {
    let (a, b) = ("Turn on the light in room 3", "Turn off the light in room 5")
    let found = TextComparison(a, b)
    #expect(found.differences == [.number, .opposite])
    #expect(found.first.map { a[$0] } == ["on", "3"])
    #expect(found.second.map { b[$0] } == ["off", "5"])
    let moved = TextComparison("from tea to milk", "from milk to tea")
    #expect(moved.differences == [.order] && moved.first.count == 2)
  }
}
