"""How results read: the tables, from the object that --json writes."""

HEADING = ("| work | against | mneme | the other | ratio | goal | reached |\n"
           "| --- | --- | ---: | ---: | ---: | ---: | --- |")


def conditions(result):
    """The machine, the versions and the data, in a sentence."""
    host, settings = result["machine"], result["settings"]
    return (f"{result['date']}, on {host['processor']}, {host['used_processors']} of {host['processors']} processors, "
            f"{host['memory_bytes'] / 2**30:.0f} GiB: {', '.join(result['versions'].values())}; "
            f"{settings['entries']:,} entries, {settings['dimension']} dimensions, "
            f"{settings['namespaces']} namespaces.")


def row_text(row):
    sign = "≤" if row["kind"] == "time" else "≥"
    verdict = "yes" if row["reached"] else "no"
    return "| " + " | ".join([
        row["work"], row["against"], _figure(row, row["ours"]), _figure(row, row["theirs"]), f"{row['ratio']:.2f}",
        f"{sign} {row['goal']:g}", verdict + (" (noisy)" if row["noise"] else "")]) + " |"


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


def pings_text(pings):
    lines = ["| another client's PING meanwhile: median / p99 / longest | mneme | the other |", "| --- | ---: | ---: |"]
    for name, sides in pings.items():
        cells = [" / ".join(f"{delay * 1e3:.2f}" for delay in felt) + " ms" if felt else "" for felt in sides]
        lines.append(f"| {name if sides[1] is None else f'`{name}`'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown(result):
    """All of it."""
    parts = [conditions(result), "\n".join([HEADING, *map(row_text, result["rows"])])]
    if "memory" in result:
        parts.append(memory_text(result["memory"]))
    if "pings" in result:
        parts.append(pings_text(result["pings"]))
    return "\n\n".join(parts)
