"""What Python's `mneme.tools.calibrate` makes of labelled pairs, for a test to compare `mneme calibrate` with.

    calibration.py DIRECTORY

Writes pairs and the vectors of their texts to DIRECTORY, as the command takes them: paraphrases.jsonl,
distractors.jsonl, vectors.jsonl. Prints a line of JSON: for each form of vector the curve, and for each metric, alone
and under constraints, the point that is best, or null where none meets them.
"""

import json
import pathlib
import sys

import numpy

from mneme.tools import calibrate

DIMENSION = 24
PAIRS = 120
directory = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(77)
vectors = {}


class Known:
    fingerprint, dim = f"somebody:else:dim{DIMENSION}", DIMENSION

    def embed(self, text):
        return vectors[text]


def pair(kind, number, spread):
    first = random.standard_normal(DIMENSION)
    second = first + spread * random.standard_normal(DIMENSION)
    texts = tuple(f"{kind} {number} {side}" for side in "ab")
    # Of any length: both sides normalise.
    vectors.update(zip(texts, (first.astype("<f4"), (second * random.uniform(0.1, 9)).astype("<f4"))))
    return texts


# Their similarities overlap, so that every threshold is a compromise.
kinds = {
    "paraphrases": [pair("same", number, random.uniform(0.05, 1.1)) for number in range(PAIRS)],
    "distractors": [pair("other", number, random.uniform(0.5, 2.5)) for number in range(PAIRS)],
}
for kind, pairs in kinds.items():
    (directory / f"{kind}.jsonl").write_text("".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in pairs))
(directory / "vectors.jsonl").write_text(
    "".join(json.dumps({"text": text, "embedding": vector.tolist()}) + "\n" for text, vector in vectors.items()))


def best(form, metric, precision, recall):
    try:
        found = calibrate.find_threshold(
            kinds["paraphrases"], kinds["distractors"], Known(), target_metric=metric, min_precision=precision,
            min_recall=recall, vector_dtype=form)
    except ValueError:
        return None
    return [found.threshold, found.precision, found.recall, found.f1]


answer = {}
for form in ("float32", "int8"):
    curve = calibrate.precision_recall_curve(kinds["paraphrases"], kinds["distractors"], Known(), vector_dtype=form)
    answer[form] = {"curve": curve, "best": {
        f"{metric} {precision} {recall}": best(form, metric, precision, recall)
        for metric in ("f1", "precision", "recall") for precision, recall in ((0, 0), (0.95, 0), (0, 0.8), (1, 1))}}
print(json.dumps(answer))
