"""What a cache would answer to its own queries, by comparing all with all in NumPy, for a test of `mneme audit`.

    leave_one_out.py URL PREFIX

Reads the entries of one namespace from Redis, all of them, and prints a line of JSON: for each threshold how many entries
the nearest other one would answer with the same response, with a different one, or not at all; and how many pairs at or
above 0.85 and 0.95 have different responses and the same one. Of equally near entries the one with the lowest id counts.
"""

import json
import sys

import numpy
import redis

url, prefix = sys.argv[1:]
client = redis.from_url(url)
ids = sorted(int(member) for member in client.zrange(prefix + ":by_id", 0, -1))
pipeline = client.pipeline(transaction=False)
for entry in ids:
    pipeline.hmget(f"{prefix}:entry:{entry}", "embedding", "response")
fields = pipeline.execute()
vectors = numpy.stack([numpy.frombuffer(embedding, "<f4") for embedding, _ in fields]).astype(float)
responses = numpy.unique([response for _, response in fields], return_inverse=True)[1]

nearest = numpy.empty(len(ids), dtype=int)
similarity = numpy.empty(len(ids))
pairs = {threshold: [0, 0] for threshold in (0.85, 0.95)}
for start in range(0, len(ids), 512):
    block = vectors[start:start + 512] @ vectors.T
    rows = numpy.arange(len(block))
    for threshold, counts in pairs.items():
        # Each pair once.
        near = numpy.triu(block >= threshold, start + 1)
        same = responses[start:start + 512, None] == responses
        counts[0] += int((near & ~same).sum())
        counts[1] += int((near & same).sum())
    block[rows, start + rows] = -numpy.inf
    # Vectors that are equal may differ in the last bit of their products.
    nearest[start:start + 512] = (block >= block.max(axis=1, keepdims=True) - 1e-12).argmax(axis=1)
    similarity[start:start + 512] = block[rows, nearest[start:start + 512]]

is_same = responses[nearest] == responses
table = []
for threshold in (number / 100 for number in range(70, 100)):
    served = similarity >= threshold
    table.append([int((served & is_same).sum()), int((served & ~is_same).sum()), int((~served).sum())])
print(json.dumps({"entries": len(ids), "table": table, "pairs": {str(t): counts for t, counts in pairs.items()}}))
