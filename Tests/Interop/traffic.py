"""One application among others on a shared cache: puts, gets, deletes, evicts and vacuums for some seconds.

    traffic.py URL PREFIX SEED SECONDS

Prints a JSON object at the end: how often it did what, what went wrong by the type of the exception, each answer that
belonged to another question, and each time that the version went down.
"""

import collections
import json
import logging
import pathlib
import random
import sys
import time

import numpy

import mneme
from mneme._store_redis import RedisStore

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).parent.parent / "MnemeTests" / "Fixtures"))
import hashed_ngrams  # noqa: E402

logging.disable(logging.CRITICAL)

NAMESPACES = "a", "b|c", "d:e"
QUESTIONS = 40


class HashedNgrams:
    fingerprint = "mneme:hashed-ngrams-v1:dim384"
    dim = hashed_ngrams.DIMENSION
    known = {}

    def embed(self, text):
        if text not in self.known:
            self.known[text] = numpy.frombuffer(hashed_ngrams.embed(text), dtype="<f4")
        return self.known[text]


class Application:
    def __init__(self, url, prefix, seed):
        self.random = random.Random(seed)
        self.name = f"python {seed}"
        self.done, self.failed = collections.Counter(), collections.Counter()
        self.wrong, self.backward = [], []
        self.version = 0
        # Every other one lets Redis expire entries, as is the default there.
        self.open = lambda: mneme.SemanticCache(
            store=RedisStore(url=url, key_prefix=prefix, use_native_ttl=seed % 2 == 0), embedder=HashedNgrams(),
            multi_process_mode="stale-tolerant", namespace_quotas={"a": 25}, max_entries=80)
        self.cache = None

    def work(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            what = self.random.choices(list(self.CHANCES), self.CHANCES.values())[0]
            try:
                if self.cache is None:
                    self.cache = self.open()
                what(self, self.random.choice(NAMESPACES), f"question {self.random.randrange(QUESTIONS)}")
                self.done[what.__name__] += 1
                self.look_at_version()
            except Exception as error:
                # One of the library's own races: an entry of which only two fields are left, for instance.
                self.failed[f"{what.__name__}: {type(error).__name__}: {error}"] += 1
                self.cache = None

    def put(self, namespace, query):
        self.cache.put(query, f"{namespace}/{query} by {self.name}", namespace=namespace,
                       ttl=self.random.choice((None, None, 1, 2)))

    def get(self, namespace, query):
        hit = self.cache.get(query, namespace=namespace)
        mark = f"{namespace}/{query} by " if hit and hit.layer == "exact" else f"{namespace}/"
        if hit and not hit.response.startswith(mark):
            self.wrong.append(f"{namespace}/{query}: {hit.layer}: {hit.response}")

    def delete(self, namespace, query):
        self.cache.delete(query, namespace=namespace)

    def vacuum(self, namespace, query):
        self.cache.vacuum()

    def clear(self, namespace, query):
        self.cache.clear_namespace(namespace)

    def reopen(self, namespace, query):
        self.cache.close()
        self.cache = self.open()

    CHANCES = {put: 40, get: 40, delete: 16, vacuum: 2, clear: 0.3, reopen: 1}

    def look_at_version(self):
        version = self.cache._store.read_version_counter()
        if version < self.version:
            self.backward.append([self.version, version])
        self.version = version


application = Application(sys.argv[1], sys.argv[2], int(sys.argv[3]))
application.work(float(sys.argv[4]))
print(json.dumps({"done": application.done, "failed": application.failed, "wrong": application.wrong,
                  "backward": application.backward}))
