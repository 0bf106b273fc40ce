"""Measures the rows and writes the table. `Tests/benchmark` sets everything up and calls this."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys

import report
import rows
from lab import Failure, Lab, Missing, OtherProcesses

# The middle half of the ratios of a quiet run lies closer together than this share of their median.
QUIET_SPREAD = 0.15
# The share of the processors that other processes may have used.
QUIET_SHARE = 0.05

# Sections with a table of their own: the function that measures, the function that prints.
SECTIONS = {"memory": (rows.memory, report.memory_text)}


def measured(row, lab):
    with OtherProcesses() as others:
        ours, theirs = row.measure(lab)
    # The ratio of each run to the next one, since a slow phase of the machine slows both.
    ratios = [a / b for a, b in zip(ours.seconds, theirs.seconds)]
    if row.kind == "rate":
        ratios = [ours.count / theirs.count / ratio for ratio in ratios]
    ratio = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else (ratio,) * 3
    noise = []
    if (high - low) / ratio > QUIET_SPREAD:
        noise.append(f"the middle half of the ratios reaches from {low:.2f} to {high:.2f}")
    if others.share > QUIET_SHARE:
        noise.append(f"other processes had {others.share:.0%} of the processors")
    # The ratio of each run to the next one here too.
    p99_ratios = [a / b for a, b in zip(ours.p99s, theirs.p99s)]
    p99_ratio = statistics.median(p99_ratios) if p99_ratios else None
    return {
        "name": row.name, "work": row.work, "against": row.against, "kind": row.kind, "goal": row.goal,
        "ratio": ratio, "quartiles": [low, high],
        "reached": ratio <= row.goal if row.kind == "time" else ratio >= row.goal,
        "p99_ratio": p99_ratio,
        "p99_reached": p99_ratio <= 1 if row.judges_p99 and p99_ratio is not None else None,
        "ours": side(ours), "theirs": side(theirs), "noise": noise,
    }


def side(runs):
    return {
        "count": runs.count, "median_seconds": runs.median, "seconds": runs.seconds, "peak_bytes": runs.peak,
        "median_p99": statistics.median(runs.p99s) if runs.p99s else None, "p99s": runs.p99s}


def output_of(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def machine():
    model = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "processor": model or platform.machine(), "processors": os.cpu_count(),
        "used_processors": len(os.sched_getaffinity(0)), "memory_bytes": memory * 1024,
        "system": platform.release(), "load_at_start": os.getloadavg()[0],
    }


def versions(lab):
    try:
        peer = output_of(lab.python(), "-c", (
            "import importlib.metadata as m, numpy, platform, redis; print('mneme-cache ' + m.version('mneme-cache')"
            " + ', redis-py ' + redis.__version__ + ', NumPy ' + numpy.__version__ + ', Python '"
            " + platform.python_version())"))
    except Missing as missing:
        peer = str(missing)
    revision = output_of("git", "describe", "--always", "--dirty")
    return {
        "mneme": output_of(lab.mneme, "--version") + (f" ({revision})" if revision else ""),
        "redis": "Redis " + output_of("redis-server", "--version").split("v=")[-1].split(" ")[0],
        "swift": output_of("swift", "--version").split(" (")[0].replace(" version", ""),
        "python": peer,
    }


def parsed_arguments(names):
    parser = argparse.ArgumentParser(
        prog="Tests/benchmark", description="Measures mneme side by side with what bounds it.")
    parser.add_argument("--place", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="a tenth of the entries, and fewer runs")
    parser.add_argument("--entries", type=int, metavar="N", help="entries of a cache (default: 100,000; --quick: 10,000)")
    parser.add_argument(
        "--neighbour", type=int, default=1000, metavar="RATE",
        help="commands a second that another client sends meanwhile; 0: there is none (default: 1000)")
    parser.add_argument("--only", action="append", choices=names, metavar="ROW", help="this row; may come again")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results, with every run, as JSON")
    parser.add_argument("--mneme", type=pathlib.Path, metavar="FILE", help="measure this mneme, and build none")
    return parser.parse_args()


def main():
    names = [row.name for row in rows.ROWS] + list(SECTIONS)
    arguments = parsed_arguments(names)
    if arguments.list:
        return print("\n".join(names))
    # The servers end with this process.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # Server, client and neighbour share two processors, whatever the machine has.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    lab = Lab(
        arguments.place.absolute(), entries=arguments.entries or (10_000 if arguments.quick else 100_000), dimension=384,
        namespaces=8, quick=arguments.quick, neighbour=arguments.neighbour,
        mneme=arguments.mneme and arguments.mneme.absolute())
    result = {
        "date": datetime.date.today().isoformat(), "machine": machine(), "versions": versions(lab),
        "settings": {"entries": lab.entries, "dimension": lab.dimension, "namespaces": lab.namespaces,
                     "quick": lab.quick, "only": arguments.only, "neighbour": lab.neighbour},
        "rows": [], "left_out": {},
    }
    wanted = arguments.only or names
    print(report.conditions(result))
    try:
        failed = measure_all(wanted, lab, result)
    finally:
        lab.close()
    for name, reason in result["left_out"].items():
        print(f"\nleft out: {name}: {reason}")
    noisy = [row for row in result["rows"] if row["noise"]]
    if noisy:
        print("\nThe machine was not quiet; measure these rows again when it is:")
        for row in noisy:
            print(f"  {row['name']}: {'; '.join(row['noise'])}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    sys.exit(1 if failed else 0)


def measure_all(wanted, lab, result):
    """Adds rows and sections to the result, and prints each as it comes. Whether one of them failed."""
    failed = False

    def attempt(name, work):
        nonlocal failed
        if name not in wanted:
            return
        try:
            work()
        except Missing as missing:
            result["left_out"][name] = str(missing)
        except Failure as failure:
            failed = True
            print(f"benchmark: {name}: {failure}", file=sys.stderr)

    def add_row(row):
        result["rows"].append(measured(row, lab))
        print(report.row_text(result["rows"][-1]), flush=True)

    def add_section(name, measure, text):
        result[name] = measure(lab)
        print("\n" + text(result[name]), flush=True)

    if any(row.name in wanted for row in rows.ROWS):
        print("\n" + report.HEADING, flush=True)
    for row in rows.ROWS:
        attempt(row.name, lambda: add_row(row))
    for name, section in SECTIONS.items():
        attempt(name, lambda: add_section(name, *section))
    return failed


main()
