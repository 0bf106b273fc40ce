"""NumPy's answers to nearest-vector questions, for a test to compare the vector index with.

    vector_search.py FILE ROWS DIMENSION QUERIES LIMIT

Writes to FILE, as little-endian float32, ROWS unit vectors and then QUERIES more. Some rows are another row again, some
lie close to a query, the rest anywhere. Prints a line of JSON: for each query, in float32 and in int8 (each component
times 127, rounded, clipped), the LIMIT nearest rows as ids from 1, of equal ones the lower first; their similarities; and
the smallest distance between two unequal similarities among these and the next, below which no order can be asked for.

Order is decided in double precision, a row at a time, so that equal rows are equal. The similarities of float32 are what
`M @ q` gives.
"""

import json
import sys

import numpy

path = sys.argv[1]
rows, dimension, query_count, limit = map(int, sys.argv[2:])
random = numpy.random.default_rng(20_000 + dimension)


def unit(vectors):
    return (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")


matrix = unit(random.standard_normal((rows, dimension)))
queries = unit(random.standard_normal((query_count, dimension)))
for query in queries:
    near = random.choice(rows, size=min(rows, limit), replace=False)
    spread = random.uniform(0.05, 1.5, size=(len(near), 1))
    matrix[near] = unit(query + spread * unit(random.standard_normal((len(near), dimension))))
copies = random.choice(rows, size=(rows // 10, 2))
matrix[copies[:, 0]] = matrix[copies[:, 1]]

with open(path, "wb") as file:
    file.write(matrix.tobytes())
    file.write(queries.tobytes())


def nearest(exact, shown):
    order = numpy.lexsort((numpy.arange(rows), -exact))[: limit + 1]
    gaps = -numpy.diff(exact[order])
    unequal = gaps[gaps > 0]
    return {
        "ids": (order[:limit] + 1).tolist(),
        "similarities": shown[order[:limit]].astype(float).tolist(),
        "gap": float(unequal.min()) if len(unequal) else 1.0,
    }


def row_sums(vectors, query):
    return (vectors.astype(float) * query.astype(float)).sum(axis=1)


quantized = numpy.clip(numpy.rint(matrix * numpy.float32(127)), -128, 127) / 127
answers = []
for query in queries:
    exact = row_sums(matrix, query)
    exact_int8 = row_sums(quantized, query)
    answers.append({"float32": nearest(exact, matrix @ query), "int8": nearest(exact_int8, exact_int8)})
print(json.dumps(answers))
