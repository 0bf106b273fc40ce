"""Puts the tables of a `Tests/benchmark --json FILE` into man/mneme-performance.7, and some rows into README.md.

    python3 Tests/Benchmark/publish.py FILE

Each document has two comments between which this writes.
"""

import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import report  # noqa: E402

TOP = pathlib.Path(__file__).parents[2]
BEGIN, END = "Tests/Benchmark/publish.py writes from here", "to here"


def publish(path, comment, text):
    begin, end = comment.format(BEGIN), comment.format(END)
    pattern = re.escape(begin) + "\n.*" + re.escape(end)
    written, replaced = re.subn(pattern, lambda _: f"{begin}\n{text}\n{end}", path.read_text(), flags=re.DOTALL)
    if replaced != 1:
        sys.exit(f"publish.py: {path.name} does not have '{begin}' and '{end}' once")
    path.write_text(written)


def main(path):
    result = json.loads(pathlib.Path(path).read_text())
    settings = result["settings"]
    if settings["quick"] or settings["only"] or settings["entries"] != 100_000 or settings["neighbour"] != 1000:
        sys.exit("publish.py: the published figures are those of a whole run without options but --json")
    publish(TOP / "man/mneme-performance.7", '.\\" {}', report.manual(result))
    publish(TOP / "README.md", "<!-- {} -->", report.summary(result))


main(sys.argv[1])
