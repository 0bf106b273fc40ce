"""The tables, made from the object that --json writes."""

import textwrap

HEADING = ("| work | against | mneme | the other | ratio (middle half) | goal | neighbour's p99: mneme | the other | reached |\n"
           "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")


def conditions(result):
    """The machine, the versions and the data, in a sentence."""
    host, settings = result["machine"], result["settings"]
    return (f"{result['date']}, on {host['processor']}, {host['used_processors']} of {host['processors']} processors, "
            f"{host['memory_bytes'] / 2**30:.0f} GiB: {', '.join(result['versions'].values())}; "
            f"{settings['entries']:,} entries, {settings['dimension']} dimensions, "
            f"{settings['namespaces']} namespaces; "
            f"{neighbour_text(settings['neighbour'])}.")


def neighbour_text(rate):
    return f"while a neighbour sends {rate:,} PING a second" if rate else "without another client"


def row_text(row):
    sign = "≤" if row["kind"] == "time" else "≥"
    low, high = row["quartiles"]
    verdict = "yes" if row["reached"] and row["p99_reached"] is not False else "no"
    if row["reached"] and row["p99_reached"] is False:
        verdict = "no: p99"
    return "| " + " | ".join([
        row["work"], row["against"], _figure(row, row["ours"]), _figure(row, row["theirs"]),
        f"{row['ratio']:.2f} ({low:.2f}–{high:.2f})", f"{sign} {row['goal']:g}", _p99(row["ours"]), _p99(row["theirs"]),
        verdict + (" (noisy)" if row["noise"] else "")]) + " |"


def _p99(runs):
    return "" if runs["median_p99"] is None else f"{runs['median_p99'] * 1e3:.2f} ms"


def _figure(row, runs):
    if row["kind"] == "rate" and runs["count"] > 1:
        return f"{runs['count'] / runs['median_seconds']:,.0f}/s"
    seconds = runs["median_seconds"]
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def memory_text(memory):
    few, many = memory["entries"]
    lines = [f"| peak memory | {few:,} entries | {many:,} entries |", "| --- | ---: | ---: |"]
    for name, peaks in memory["peaks"].items():
        lines.append(f"| `{name}` | " + " | ".join(f"{peak / 2**20:.1f} MiB" for peak in peaks) + " |")
    return "\n".join(lines)


def markdown(result):
    """All of it."""
    parts = [conditions(result), "\n".join([HEADING, *map(row_text, result["rows"])])]
    if "memory" in result:
        parts.append(memory_text(result["memory"]))
    return "\n\n".join(parts)


# The rows that README.md shows.
CHOSEN = ("import", "export", "vacuum", "get", "get-again")


def summary(result):
    """A small table in Markdown."""
    rows = ["| work | against | mneme | the other |", "| --- | --- | ---: | ---: |"]
    rows += [
        f"| {row['work']} | {row['against']} | {_figure(row, row['ours'])} | {_figure(row, row['theirs'])} |"
        for row in result["rows"] if row["name"] in CHOSEN]
    return "\n".join(rows)


def manual(result):
    """All of it as roff: a paragraph for each row."""
    lines = _roff(conditions(result))
    for row in result["rows"]:
        low, high = row["quartiles"]
        bound = "at most" if row["kind"] == "time" else "at least"
        text = [
            f"mneme {_figure(row, row['ours'])}, the other {_figure(row, row['theirs'])}.",
            f"Ratio {row['ratio']:.2f} ({low:.2f}-{high:.2f}), goal {bound} {row['goal']:g}."]
        if _p99(row["ours"]):
            text.append(f"The neighbour waits {_p99(row['ours'])} and {_p99(row['theirs'])}.")
        if row["noise"]:
            text.append("Noisy.")
        lines += [".PP", *_roff(f"{row['work']}, against {row['against']}:"), ".br", *_roff(" ".join(text))]
    if "memory" in result:
        few, many = result["memory"]["entries"]
        lines += [".PP", f"Peak memory with {few:,} and {many:,} entries:"]
        for name, peaks in result["memory"]["peaks"].items():
            lines += [".br", *_roff(f"`{name}`: " + " and ".join(f"{peak / 2**20:.1f} MiB" for peak in peaks))]
    return "\n".join(lines)


def _roff(text):
    """Lines of roff from Markdown with backquotes: bold, minus signs, and nothing but ASCII."""
    parts = text.replace("\\", "\\e").split("`")
    for index, part in enumerate(parts):
        part = part.replace("×", "x").replace("'", "\\(aq")
        parts[index] = "\\fB" + part.replace("-", "\\-") + "\\fR" if index % 2 else part
    return textwrap.wrap("".join(parts), 78, break_long_words=False, break_on_hyphens=False)
