"""The bound of a semantic search in Python: NumPy's product of a matrix and a vector, in one thread.

    numpy_search.py ROWS DIMENSION

Prints {"count": …, "seconds": …} for the products alone. That the nearest are then to be found is held against
nobody here.
"""

import json
import os
import sys
import time

for library in "OPENBLAS", "MKL", "OMP":
    os.environ[library + "_NUM_THREADS"] = "1"

import numpy  # noqa: E402  (reads the variables as it is loaded)

rows, dimension = map(int, sys.argv[1:])
random = numpy.random.default_rng(1)


def unit(*shape):
    numbers = random.random(shape, dtype=numpy.float32) - numpy.float32(0.5)
    numbers /= numpy.linalg.norm(numbers, axis=-1, keepdims=True)
    return numbers


COUNT = 50
matrix, queries = unit(rows, dimension), unit(COUNT + 3, dimension)
for query in queries[:3]:
    matrix @ query
start = time.perf_counter()
for query in queries[3:]:
    matrix @ query
print(json.dumps({"count": COUNT, "seconds": time.perf_counter() - start}))
