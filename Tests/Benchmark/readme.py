"""Takes the tables of a `Tests/benchmark --json FILE` over into README.md, between their two marks.

    python3 Tests/Benchmark/readme.py FILE
"""

import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import report  # noqa: E402

README = pathlib.Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- Tests/Benchmark/readme.py writes from here -->", "<!-- to here -->"


def main(path):
    result = json.loads(pathlib.Path(path).read_text())
    settings = result["settings"]
    if settings["quick"] or settings["only"] or settings["entries"] != 100_000 or settings["neighbour"] != 1000:
        sys.exit("readme.py: the README's figures are those of a whole run without options but --json")
    pattern = re.escape(BEGIN) + ".*" + re.escape(END)
    text, replaced = re.subn(
        pattern, lambda _: f"{BEGIN}\n{report.markdown(result)}\n{END}", README.read_text(), flags=re.DOTALL)
    if replaced != 1:
        sys.exit(f"readme.py: README.md does not have '{BEGIN}' and '{END}' once")
    README.write_text(text)


main(sys.argv[1])
