/* Parts of answers as models give them: paragraphs, lists, code, tables, quotes, typographic characters and several
 * scripts. `generate` puts responses of 300 to 2,000 bytes together from them. None is longer than 600 bytes. */
static const char *const answer_parts[] = {
  "Good question! Your parcel left the warehouse on Monday and is now with the carrier. It usually takes three to five "
  "working days from there.",
  "Here’s what you can do right now:\n\n1. Open **My orders** and choose the order.\n2. Click “Track parcel” – the page "
  "is updated every two hours.\n3. If nothing has changed for 48 hours, write to us and we’ll look into it.",
  "- **Standard delivery**: 3–5 working days, free above €40\n- **Express**: the next working day, €9.90\n- **Pick-up "
  "point**: 2–4 working days, no charge\n- **Abroad**: depends on the country; see the table below",
  "You can ask for the state of an order with the API, too:\n\n```python\nimport requests\n\nreply = requests.get(\n    "
  "\"https://api.example.com/v1/orders/4711\",\n    headers={\"Authorization\": f\"Bearer {token}\"},\n)\nif "
  "reply.status_code == 404:\n    raise LookupError(\"no such order\")\nprint(reply.json()[\"state\"])\n```",
  "```sh\n$ curl -s -H \"Authorization: Bearer $TOKEN\" 'https://api.example.com/v1/orders?state=open' \\\n    | jq -r "
  "'.orders[] | \"\\(.id)\\t\\(.state)\"'\n```",
  "| Country | Carrier | Days |\n| --- | --- | ---: |\n| Germany | DHL | 2–3 |\n| France | Colissimo | 3–4 |\n| Japan | "
  "日本郵便 | 7–10 |\n| Brazil | Correios | 10–15 |",
  "> “If the parcel has not arrived within five working days, the sender can start an inquiry.”\n>\n> — the carrier’s "
  "terms, section 7",
  "Please note that the date shown is an *estimate*: customs, public holidays and the weather can add a day or two… "
  "We’ll send you an e-mail as soon as there is a new one.",
  "Gern! Ihre Bestellung wurde am Montag verschickt. Die Zustellung dauert üblicherweise drei bis fünf Werktage; über "
  "„Sendung verfolgen“ sehen Sie jederzeit, wo das Paket gerade ist. Größere Pakete können etwas länger brauchen.",
  "Bien sûr ! Votre colis est en route : il a quitté notre entrepôt lundi. Vous pouvez le suivre sur la page « Mes "
  "commandes ». Si rien ne s’affiche d’ici à 48 heures, écrivez-nous, s’il vous plaît.",
  "Здравствуйте! Ваш заказ уже передан в службу доставки. Обычно доставка занимает от трёх до пяти рабочих дней. "
  "Отследить посылку можно в разделе «Мои заказы».",
  "ご注文ありがとうございます。お荷物は月曜日に発送済みです。通常、3〜5営業日でお届けします。追跡番号は「注文履歴」からご確認いただけます。",
  "您的订单已于周一发货，通常需要三到五个工作日送达。您可以在“我的订单”页面查看物流信息；如果四十八小时内没有更新，请联系我们。",
  "مرحبًا! غادر طردك المستودع يوم الاثنين وهو الآن لدى شركة الشحن. يستغرق التوصيل عادةً من ثلاثة إلى خمسة أيام عمل.",
  "नमस्ते! आपका पार्सल सोमवार को गोदाम से निकल चुका है और अब कूरियर के पास है। डिलीवरी में आम तौर पर तीन से पाँच कार्य दिवस लगते हैं।",
  "**Was it helpful?** 👍 / 👎 – your answer helps us to get better. 🙂",
  "To cancel, reply with the word \"cancel\" before the parcel is handed to the carrier. After that you can refuse it at "
  "the door, or send it back within 14 days; the label is in the parcel.",
  "### Why is there no number yet?\n\nThe number is made when the parcel is *scanned*, not when it is packed. Between the "
  "two there can be up to 12 hours. In the meantime the page says “Label created”.",
  "Steps to change the address:\n  * sign in at <https://shop.example.com/account>\n  * choose “Addresses” → “Edit”\n  * "
  "confirm with the code we send to you (valid for 10 minutes)\n\nA parcel that is already on its way keeps the old one.",
  "The webhook gets this body:\n\n```json\n{\n  \"event\": \"order.shipped\",\n  \"order\": {\"id\": 4711, \"items\": 3},\n  "
  "\"carrier\": \"DHL\",\n  \"note\": \"Ring twice\\nSecond floor\"\n}\n```",
  "In Swift, the same is:\n\n```swift\nstruct Order: Decodable {\n\tlet id: Int\n\tlet state: String\n}\n\nlet (data, _) = try "
  "await URLSession.shared.data(from: url)\nlet order = try JSONDecoder().decode(Order.self, from: data)\nprint(\"\\(order.id): "
  "\\(order.state)\")\n```",
  "In short: the cost is 2 × €4.95 = €9.90, the weight ≤ 5 kg, the temperature 4 °C ± 2 °C, and the chance of a delay ≈ 3 %. "
  "¡Gracias por tu paciencia!",
};
