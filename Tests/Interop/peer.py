"""The Python library at work: runs snippets that the tests send, one request a line, one answer a line.

    {"url": "unix:///…", "prefix": "7:quotas", "code": "cache = open_cache()\ncache.put('q', 'r')\ncache.stats().entries"}
    {"value": 1}        the value of the last expression, or {"error": "KeyError: 'namespace'"}

Each prefix has variables of its own, which live from snippet to snippet. See `Workbench` for what is there.
"""

import ast
import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import sys
import traceback

import numpy
import redis

import mneme
from mneme._store_redis import RedisStore

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).parent.parent / "MnemeTests" / "Fixtures"))
import hashed_ngrams  # noqa: E402

# The library logs skipped entries; the tests check its results.
logging.disable(logging.CRITICAL)


class HashedNgrams:
    """mneme's built-in embedder, so that both languages get semantic hits in one cache."""

    fingerprint = "mneme:hashed-ngrams-v1:dim384"
    dim = hashed_ngrams.DIMENSION

    def embed(self, text):
        return numpy.frombuffer(hashed_ngrams.embed(text), dtype="<f4")


class Scattered:
    """Somebody's own embedder: a direction for each text, by its hash, and nothing near anything."""

    def __init__(self, fingerprint, dim=8):
        self.fingerprint, self.dim = fingerprint, dim

    def embed(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return numpy.random.default_rng(seed).standard_normal(self.dim).astype(numpy.float32)


class Interposed:
    """A client of Redis on which something else happens just before the first command of a name."""

    def __init__(self, client, command, action):
        self.client, self.command, self.action = client, command, action

    def __getattr__(self, name):
        if name == self.command:
            self.command = None
            self.action()
        return getattr(self.client, name)


class Workbench(dict):
    """The variables of a prefix, and the names that every snippet may use."""

    def __init__(self, url, prefix):
        super().__init__(
            json=json, mneme=mneme, numpy=numpy, HashedNgrams=HashedNgrams, Scattered=Scattered, prefix=prefix,
            server=redis.Redis.from_url(url))

        def open_store(native=True, prefix=prefix):
            # redis-py repeats a write that has no answer after 5 s, as if it had not been done.
            patient = url + ("&" if "?" in url else "?") + "socket_timeout=300&socket_connect_timeout=300"
            return RedisStore(url=patient, key_prefix=prefix, use_native_ttl=native)

        def open_cache(embedder=None, native=True, prefix=prefix, **settings):
            return mneme.SemanticCache(
                store=open_store(native, prefix), embedder=embedder or HashedNgrams(), **settings)

        def before(command, cache, action):
            """Another process comes in between, just before a command of the next call."""
            cache._store._client = Interposed(cache._store._client, command, action)

        def entries(cache):
            """Every entry as the library reads it, with the embedding in hexadecimal."""
            return [dataclasses.asdict(entry) | {"embedding": entry.embedding.hex()}
                    for entry in cache._store.iter_all()]

        self.update(open_store=open_store, open_cache=open_cache, entries=entries, before=before)

    def run(self, code):
        """Runs a snippet; the value of its last line, where that is an expression."""
        body = ast.parse(code).body
        last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, type_ignores=[]), "snippet", "exec"), self)
        return eval(compile(last, "snippet", "eval"), self) if last else None


def plain(value):
    """Values that JSON does not have: dataclasses, bytes, NumPy's numbers."""
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, bytes):
        return value.decode()
    return value.item()


def main():
    # Answers go where standard output was; what a snippet prints does not disturb them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    benches = {}
    for line in sys.stdin:
        request = json.loads(line)
        place = request["url"], request["prefix"]
        if place not in benches:
            benches[place] = Workbench(*place)
        try:
            value = benches[place].run(request["code"])
            answer = json.dumps({"value": value}, default=plain, allow_nan=False)
        except Exception as error:
            answer = json.dumps({"error": "".join(traceback.format_exception_only(error)).strip()})
        print(answer, file=answers, flush=True)


main()
