"""The Python library, doing the work of a row of the benchmark.

    python_peer.py URL get|put|insert|iterate|vacuum|search LINES COUNT

LINES is what `mneme import` takes; its first COUNT entries are used, and of `vacuum` so many expire and as many do not.
`get` and `put` are whole processes. The others print {"count": …, "seconds": …} for the work alone.
"""

import base64
import hashlib
import json
import logging
import sys
import time

import numpy

import mneme
from mneme._store_redis import RedisStore
from mneme._types import StoredEntry

logging.disable(logging.CRITICAL)
QUESTION = "where is order 17, and when will the parcel be delivered?"


class Scattered:
    """An embedder that costs next to nothing, because the library is measured."""

    fingerprint, dim = "benchmark:scattered:dim384", 384

    def embed(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return numpy.random.default_rng(seed).standard_normal(self.dim).astype(numpy.float32)


def opened(url, prefix):
    # With native expiry Redis itself would have removed them before `vacuum` looks.
    store = RedisStore(url=url, key_prefix=prefix, use_native_ttl=False)
    return mneme.SemanticCache(store=store, embedder=Scattered())


def entries_of(path, count, expired=0):
    """The first entries of a file that `mneme import` takes; so many of them expired."""
    now = int(time.time())
    with open(path) as lines:
        for number, line in zip(range(count), lines):
            ours = json.loads(line)
            is_expired = number < expired
            yield StoredEntry(
                id=0, namespace=ours["namespace"], query_hash=ours["query_hash"], query=ours["query"],
                response=ours["response"], embedding=base64.b64decode(ours["embedding"]), metadata=ours["metadata"],
                created_at=now - (100_000 if is_expired else 0), last_accessed_at=now, ttl=3600 if is_expired else None,
                access_count=0)


def fill(store, path, count, expired=0):
    for one in entries_of(path, count, expired):
        store.insert(one)


def timed(count, work):
    start = time.perf_counter()
    done = work()
    seconds = time.perf_counter() - start
    if done != count:
        sys.exit(f"{done} entries where {count} were due")
    print(json.dumps({"count": count, "seconds": seconds}))


def main(url, task, path, count):
    # A separate prefix with a small cache, because the library takes seconds to open a large one.
    cache = opened(url, "python")
    store = cache._store
    if task == "get":
        cache.get(QUESTION)
    elif task == "put":
        cache.put(QUESTION, "On its way.")
    elif task == "insert":
        entries = list(entries_of(path, count))
        timed(count, lambda: len([store.insert(one) for one in entries]))
    elif task == "iterate":
        fill(store, path, count)

        def write():
            with open("/dev/null", "w") as lines:
                written = 0
                for one in store.iter_all():
                    record = {name: getattr(one, name) for name in (
                        "id", "namespace", "query", "query_hash", "response", "metadata", "created_at",
                        "last_accessed_at", "ttl", "access_count")}
                    record["embedding"] = base64.b64encode(one.embedding).decode()
                    lines.write(json.dumps(record) + "\n")
                    written += 1
                return written

        timed(count, write)
    elif task == "vacuum":
        fill(store, path, 2 * count, expired=count)
        timed(count, cache.vacuum)
    elif task == "search":
        fill(store, path, count)

        def search():
            # The index is of every namespace, and made as the cache is opened.
            if opened(url, "python").get("something else entirely", namespace="tenant-1") is not None:
                sys.exit("found by chance")
            return count

        timed(count, search)


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
