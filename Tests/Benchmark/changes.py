"""Changes of every kind to a cache of one namespace, by `mneme` and by the Python library, which an index has to find.

    changes.py python URL LINES FIRST       the Python library's share; the others call `change`
"""

import base64
import json
import subprocess
import sys
import time

NAMESPACE = "tenant-1"
# Of each kind.
EACH = 100


def change(lab, server, url, first):
    """Makes some 1,000 changes: entries from the id `first` on are deleted, replaced and touched; others are new."""
    def mneme(*words, input=None):
        # An entry that was evicted before cannot be deleted, which does not matter here.
        subprocess.run(
            [lab.mneme, "-q", "-u", url, "-p", "bench", *map(str, words)], input=input, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    lines = lab.file("lines", entries=lab.entries, namespaces=1)
    mneme("import", input=b"".join(imported(lines, first)))
    mneme("delete", *(word for number in range(first, first + EACH) for word in ("--id", number)))
    for number in range(EACH // 10):
        mneme("get", "-n", NAMESPACE, query(first + EACH + number))
    mneme("set-quota", "--evict", NAMESPACE, int(server.ask("ZCARD", f"bench:lru:{NAMESPACE}")) - EACH)
    mneme("set-quota", "--remove", NAMESPACE)
    subprocess.run(
        [lab.python(), "-B", __file__, "python", url, lines, str(first)], check=True, stdout=subprocess.DEVNULL)
    # Entries with a time to live of a second have expired.
    time.sleep(1.5)


def query(number):
    return f"where is order {number}, and when will the parcel be delivered?"


def some(path, count):
    with open(path) as lines:
        for _, line in zip(range(count), lines):
            yield json.loads(line)


def imported(path, first):
    """Lines that store as many new entries, live for a second, and replace others."""
    for place, line in enumerate(some(path, 3 * EACH)):
        kind, number = divmod(place, EACH)
        texts = f"new {first} {number}", f"soon gone {first} {number}", query(first + 2 * EACH + number)
        changed = {name: line[name] for name in ("namespace", "response", "embedding", "embedder_fingerprint")}
        changed["query"] = texts[kind]
        if kind == 1:
            changed["ttl"] = 1
        yield (json.dumps(changed) + "\n").encode()


def change_by_python(url, path, first):
    import hashlib

    from mneme._store_redis import RedisStore
    from mneme._types import StoredEntry

    now = int(time.time())
    store = RedisStore(url=url, key_prefix="bench", use_native_ttl=False)
    lines = list(some(path, 2 * EACH))
    store.open(lines[0]["embedder_fingerprint"], len(base64.b64decode(lines[0]["embedding"])) // 4)
    for place, line in enumerate(lines):
        kind, number = divmod(place, EACH)
        text = f"new to python {first} {number}" if kind == 0 else query(first + 3 * EACH + number)
        store.insert(StoredEntry(
            id=0, namespace=NAMESPACE, query_hash=hashlib.sha256(text.encode()).hexdigest(), query=text,
            response=line["response"], embedding=base64.b64decode(line["embedding"]), metadata={}, created_at=now,
            last_accessed_at=now, ttl=None, access_count=0))
    for number in range(first + 4 * EACH, first + 5 * EACH):
        store.delete_by_id(number)
    for number in range(first + 5 * EACH, first + 6 * EACH):
        if store.get_by_id(number) is not None:
            store.update_access(number, now)
    store.close()


if __name__ == "__main__":
    change_by_python(sys.argv[2], sys.argv[3], int(sys.argv[4]))
