"""The bound of a comparison of all vectors with one another in Python: NumPy's blocked product of a matrix with itself.

    numpy_pairs.py ROWS DIMENSION

Prints {"count": …, "seconds": …} for the products alone, in one thread. That each block has still to be looked through is
held against nobody here.
"""

import json
import os
import sys
import time

for library in "OPENBLAS", "MKL", "OMP":
    os.environ[library + "_NUM_THREADS"] = "1"

import numpy  # noqa: E402  (reads the variables as it is loaded)

rows, dimension = map(int, sys.argv[1:])
matrix = numpy.random.default_rng(1).random((rows, dimension), dtype=numpy.float32) - numpy.float32(0.5)
matrix /= numpy.linalg.norm(matrix, axis=-1, keepdims=True)
BLOCK = 1000
out = numpy.empty((BLOCK, rows), dtype=numpy.float32)
numpy.matmul(matrix[:BLOCK], matrix.T, out=out)
start = time.perf_counter()
for first in range(0, rows, BLOCK):
    block = matrix[first:first + BLOCK]
    numpy.matmul(block, matrix.T, out=out[:len(block)])
print(json.dumps({"count": 1, "seconds": time.perf_counter() - start}))
