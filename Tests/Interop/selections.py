"""Random selections of entries, and what each of them should find.

    selections.py lines CSV NOW EVERY         lines for `mneme import`, from each EVERY-th question with its intent
    selections.py choose EXPORT NOW SEED N    N selections: a JSON object a line, with the words and the ids

Times are half hours away from NOW and durations whole hours, so that a test may take its time.
"""

import csv
import json
import random
import re
import sys

HOUR = 3600


def lines(path, now, every):
    chance = random.Random(77)
    with open(path, newline="", encoding="utf-8") as source:
        for number, row in enumerate(csv.DictReader(source)):
            created = now - chance.randrange(24 * 90) * HOUR - HOUR // 2
            used = created + chance.randrange((now - created) // HOUR + 1) * HOUR
            line = {
                "namespace": chance.choice(["default", "cards", "transfers", "top-up: cash", "é"]),
                "query": row["text"],
                "response": f"About {row['category'].replace('_', ' ')}.\n" + "More of it. " * chance.randrange(300),
                "created_at": created, "last_accessed_at": used,
                "access_count": chance.choice([0, 0, 1, 2, 5, 40]),
            }
            if number % 5:
                line["metadata"] = {
                    "intent": row["category"], "page": number % 9, "source": {"document": f"d{number % 4}"},
                    "tags": [row["category"].split("_")[0], "bank"], "checked": number % 2 == 0,
                }
            # Some have expired, some expire soon, some never do.
            if chance.random() < 0.6:
                line["ttl"] = max(HOUR, now - created + chance.randrange(-24, 24 * 7) * HOUR)
            if number % every == 0:
                print(json.dumps(line))


def normalized(text):
    return re.sub(r"\s+", " ", text.strip()).casefold()


def holds(value, path, wanted):
    """Whether a value has a member, and with the wanted value if there is one: a list has it when an element does."""
    if isinstance(value, list) and any(holds(element, path, wanted) for element in value):
        return True
    if not path:
        return wanted is None or (type(value) is type(wanted[0]) and value == wanted[0])
    return isinstance(value, dict) and path[0] in value and holds(value[path[0]], path[1:], wanted)


def choose(path, now, seed, count):
    chance = random.Random(seed)
    with open(path, encoding="utf-8") as export:
        entries = [entry for entry in map(json.loads, export) if "query" in entry]
    for entry in entries:
        entry["texts"] = normalized(entry["query"]), normalized(entry["response"])
        entry["expiry"] = None if entry["ttl"] is None else entry["created_at"] + entry["ttl"]

    def text(field):
        words = chance.choice(entries)[field].split()
        start = chance.randrange(len(words)) if words else 0
        found = "  ".join(words[start:start + chance.randrange(1, 3)]) or "card"
        return chance.choice([found, found.upper()])

    def hours(most):
        return chance.randrange(1, most)

    def by_namespace():
        names = chance.sample(["default", "cards", "transfers", "top-up: cash", "é"], chance.randrange(1, 3))
        return [word for name in names for word in ("-n", name)], lambda e: e["namespace"] in names

    def by_id():
        ids = chance.sample(range(1, len(entries) + 500), chance.randrange(1, 400))
        return ["--id", *map(str, ids)], lambda e: e["id"] in ids

    def contains():
        found = text(chance.choice(["query", "response"]))
        return ["--contains=" + found], lambda e: any(normalized(found) in t for t in e["texts"])

    def query_contains():
        found = text("query")
        return ["--query-contains=" + found], lambda e: normalized(found) in e["texts"][0]

    def response_contains():
        found = text("response")
        return ["--response-contains=" + found], lambda e: normalized(found) in e["texts"][1]

    def by_metadata():
        intent = chance.choice(entries)["metadata"].get("intent", "card_arrival")
        path, wanted = chance.choice([
            ("intent", None), ("intent", (intent,)), ("page", (chance.randrange(10),)), ("tags", ("bank",)),
            ("tags", (intent.split("_")[0],)), ("source.document", ("d2",)), ("source.missing", None), ("checked", (True,)),
        ])
        value = "" if wanted is None else "=" + (wanted[0] if isinstance(wanted[0], str) else json.dumps(wanted[0]))
        return ["--metadata", path + value], lambda e: holds(e["metadata"], path.split("."), wanted)

    def by_age():
        age = hours(24 * 90)
        if chance.random() < 0.5:
            return ["--older-than", f"{age}h"], lambda e: e["created_at"] <= now - age * HOUR
        return ["--newer-than", f"{age}h"], lambda e: e["created_at"] > now - age * HOUR

    def by_use():
        age = hours(24 * 60)
        if chance.random() < 0.5:
            return ["--unused-for", f"{age}h"], lambda e: e["last_accessed_at"] <= now - age * HOUR
        return ["--used-within", f"{age}h"], lambda e: e["last_accessed_at"] > now - age * HOUR

    def by_uses():
        least = chance.randrange(6)
        most = least + chance.randrange(40)
        return ["--min-uses", f"{least}", "--max-uses", f"{most}"], lambda e: least <= e["access_count"] <= most

    def larger():
        size = chance.randrange(4000)
        return ["--larger-than", f"{size}"], lambda e: len(e["response"].encode()) > size

    def unservable():
        return ["--unservable"], lambda e: not e["response"].strip()

    def by_expiry():
        soon = now + hours(24 * 7) * HOUR
        return chance.choice([
            (["--expires-within", f"{(soon - now) // HOUR}h"], lambda e: e["expiry"] is not None and now < e["expiry"] <= soon),
            (["--expired"], lambda e: e["expiry"] is not None and e["expiry"] <= now),
            (["--no-ttl"], lambda e: e["expiry"] is None),
            (["--include-expired"], lambda e: True),
        ])

    options = [
        by_namespace, by_id, contains, query_contains, response_contains, by_metadata, by_age, by_use, by_uses, larger,
        unservable,
    ]
    # Each alone first, then several together.
    for number in range(count):
        chosen = [options[number]] if number < len(options) else chance.sample(options, chance.randrange(1, 4))
        parts = [option() for option in chosen]
        if number % 2 or number == len(options):
            parts.append(by_expiry())
        asks_for_expired = any(word in ("--expired", "--include-expired") for words, _ in parts for word in words)
        # Words behind --id are ids, so that it comes last.
        parts.sort(key=lambda part: part[0][0] == "--id")
        ids = [
            entry["id"] for entry in entries
            if all(condition(entry) for _, condition in parts)
            and (asks_for_expired or entry["expiry"] is None or entry["expiry"] > now)
        ]
        print(json.dumps({"words": [word for words, _ in parts for word in words], "ids": ids}))


if __name__ == "__main__":
    task, path, now, *rest = sys.argv[1:]
    if task == "lines":
        lines(path, int(now), int(rest[0]))
    else:
        choose(path, int(now), int(rest[0]), int(rest[1]))
