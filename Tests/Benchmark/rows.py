"""The rows. A row is a function that races two sides and returns their `Runs`, mneme's first."""

import dataclasses
import itertools
import shutil
import time
import typing

from changes import change
from lab import Command, Failure, HERE, run, url_of

CLI = "`redis-cli`"
PYTHON = "Python mneme-cache 1.0.1"
# Milliseconds: between continents.
ROUND_TRIP = 100


@dataclasses.dataclass
class Row:
    name: str
    work: str
    against: str
    # "time": ours by theirs, the goal is the most. "rate": ours by theirs, the goal is the least.
    kind: str
    goal: float
    # Whether the neighbour must not wait longer than with the other side.
    judges_p99: bool
    measure: typing.Callable


ROWS = []


def row(name, work, against, *, at_most=None, at_least=None, judges_p99=False):
    """Adds a row: `at_most` of the other's time, or `at_least` of the other's rate."""
    def add(measure):
        kind, goal = ("rate", at_least) if at_most is None else ("time", at_most)
        ROWS.append(Row(name, work, against, kind, goal, judges_p99, measure))
        return measure
    return add


# The words of both sides


def mneme(lab, *words, **settings):
    return Command([lab.mneme, "-u", "{url}", "-p", "bench", *words], **settings)


def redis_cli(*words, **settings):
    return Command(["redis-cli", "-h", "127.0.0.1", "-p", "{port}", *words], **settings)


def program(lab, name, *words, **settings):
    return Command([lab.program(name), "{port}", "bench", *words], **settings)


def python(lab, task, entries=0, **settings):
    """The Python library at `task`, on the first entries of the generated cache."""
    lines = lab.file("lines") if entries else "-"
    return Command([lab.python(), HERE / "python_peer.py", "{url}", task, lines, entries], **settings)


QUESTION = "where is order 17, and when will the parcel be delivered?"


def holds(entries):
    def check(server):
        if server.ask("ZCARD", "bench:by_id") != str(entries):
            raise Failure("the cache does not hold what it should after a run")
    return check


# Whole processes


@row("get", "`get`, exact hit, whole process", "`redis-cli GET` of one key, whole process", at_most=0.5)
def get(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(
            lab.runs(200, 50), mneme(lab, "get", "-n", "tenant-2", QUESTION), redis_cli("GET", "bench:version"), server=server)


@row("put", "`put`, whole process, built-in embedder", "`redis-cli GET` of one key, whole process", at_most=0.6)
def put(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(
            lab.runs(200, 50), mneme(lab, "put", QUESTION, "On its way."), redis_cli("GET", "bench:version"),
            server=server)


# Semantic matches: misses, since the vectors are random, in a namespace that has every entry


def search_server(lab, entries=None):
    return lab.server(lab.snapshot(entries=entries, namespaces=1))


def search(lab, **settings):
    return mneme(lab, "get", "-n", "tenant-1", "something else entirely", status=1, **settings)


def first_search(lab, **settings):
    """A search without the vectors that the run before has kept."""
    return search(lab, before=lambda _: shutil.rmtree(lab.cache, ignore_errors=True), **settings)


@row("get-first", "`get`, semantic, first time on a cache",
     "C over hiredis: pipelined `HGET embedding` of the namespace", at_most=1.3)
def get_first(lab):
    with search_server(lab) as server:
        return lab.race(
            lab.runs(11, 3), first_search(lab), program(lab, "fetch", "embeddings", "tenant-1"), server=server,
            apart=True)


@row("get-again", "`get`, semantic, again, ten times as many entries in one namespace",
     "`redis-cli GET` of one key, whole process", at_most=10)
def get_again(lab):
    with search_server(lab, lab.many) as server:
        return lab.race(lab.runs(100, 30), search(lab), redis_cli("GET", "bench:version"), server=server)


@row("get-changed", "that `get` after 1,000 changes of every kind, by `mneme` and by Python",
     "that `get` with nothing changed", at_most=3)
def get_changed(lab):
    # Each run changes others.
    firsts = itertools.count(1, 1000)
    lab.python()
    with search_server(lab, lab.many) as server:
        return lab.race(
            lab.runs(11, 3), search(lab, before=lambda server: change(lab, server, url_of(server.port), next(firsts))),
            search(lab), server=server, apart=True)


# Every entry with every other one


@row("audit", "`audit`, 20,000 entries, all pairs, whole process",
     "NumPy's `M @ M.T` in blocks, float32, one thread, in process", at_most=1.0)
def audit(lab):
    entries = 20_000
    with lab.server(lab.snapshot(entries=entries, namespaces=1)) as server:
        return lab.race(
            lab.runs(7, 3), mneme(lab, "audit", "--limit", "0"),
            Command([lab.python(), HERE / "numpy_pairs.py", entries, lab.dimension], tells=True), server=server)


# Everything that there is


@row("import", "`import`", "`redis-cli --pipe`, a ready-made transaction for each entry", at_least=0.9,
     judges_p99=True)
def import_lines(lab):
    return lab.race(
        lab.runs(7, 3), mneme(lab, "import", lab.file("lines"), count=lab.entries),
        redis_cli("--pipe", input=lab.file("wire"), count=lab.entries), check=holds(lab.entries))


@row("import-link", f"`import` of a tenth of the entries over a link with {ROUND_TRIP} ms of round trip",
     "`redis-cli --pipe` over the same link", at_most=5)
def import_over_link(lab):
    entries = lab.entries // 10
    return lab.race(
        lab.runs(5, 2), mneme(lab, "import", lab.file("lines", entries=entries)),
        redis_cli("--pipe", input=lab.file("wire", entries=entries)), check=holds(entries), round_trip=ROUND_TRIP)


def export_to(lab, target, **settings):
    """An export that does not have to remove the file of the run before."""
    return mneme(lab, "export", "-o", target, before=lambda _: target.unlink(missing_ok=True), **settings)


@row("export", "`export -o FILE`, with embeddings", "C over hiredis: pipelined `HGETALL`, replies dropped",
     at_least=0.6, judges_p99=True)
def export(lab):
    target = lab.directory / "export.jsonl"
    with lab.server(lab.snapshot()) as server:
        runs = lab.race(
            lab.runs(11, 3), export_to(lab, target, count=lab.entries),
            program(lab, "fetch", "entries", count=lab.entries), server=server, apart=True)
    with open(target, "rb") as lines:
        if sum(1 for _ in lines) != lab.entries:
            raise Failure("the export does not hold every entry")
    target.unlink()
    return runs


@row("list", "`list --contains` of a word that one entry in 17 has", "`export --embeddings none` of the same cache",
     at_most=1.5)
def list_entries(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(
            lab.runs(7, 3), mneme(lab, "list", "--json", "--contains", "order 17"),
            mneme(lab, "export", "--embeddings", "none"), server=server, apart=True)


@row("list-expiring", "`list --expires-within 1h` with ten matches, whole process",
     "`redis-cli GET` of one key, whole process", at_most=5)
def list_expiring(lab):
    with lab.server(lab.snapshot()) as server:
        soon = mneme(lab, "set-ttl", "30m", "--yes", "--id", *range(1, 11))
        lab.race(0, soon, redis_cli("GET", "bench:version"), server=server)
        return lab.race(
            lab.runs(50, 10), mneme(lab, "list", "--json", "--expires-within", "1h"), redis_cli("GET", "bench:version"),
            server=server)


@row("vacuum", "`vacuum`, half of the entries expired", "C over hiredis: the same deletions, without the guards",
     at_least=0.65, judges_p99=True)
def vacuum(lab):
    expired = lab.entries // 2
    return lab.race(
        lab.runs(7, 3), mneme(lab, "vacuum", count=expired),
        program(lab, "expire", int(time.time()), count=expired), snapshot=lab.snapshot(50),
        check=holds(lab.entries - expired))


@row("check", "`inspect-keys --check`", "`export -o FILE` of the same cache", at_most=3)
def check(lab):
    target = lab.directory / "export.jsonl"
    with lab.server(lab.snapshot()) as server:
        runs = lab.race(
            lab.runs(5, 2), mneme(lab, "inspect-keys", "--check"), export_to(lab, target), server=server, apart=True)
    target.unlink()
    return runs


@row("stats", "`stats --prometheus`, ten times as many entries, half of them expired",
     "`redis-cli GET` of one key, whole process", at_most=3)
def stats(lab):
    with lab.server(lab.snapshot(50, entries=lab.many, dimension=32)) as server:
        return lab.race(
            lab.runs(50, 10), mneme(lab, "stats", "--prometheus"), redis_cli("GET", "bench:version"), server=server)


@row("inspect", "`inspect-keys`, sampling", "`redis-cli --bigkeys`", at_most=0.15)
def inspect(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(lab.runs(5, 2), mneme(lab, "inspect-keys"), redis_cli("--bigkeys"), server=server, apart=True)


@row("inspect-all", "`inspect-keys --sample all`", "`redis-cli --memkeys`", at_most=0.25)
def inspect_all(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(
            lab.runs(5, 2), mneme(lab, "inspect-keys", "--sample", "all"), redis_cli("--memkeys"), server=server,
            apart=True)


# In one process, one thread


def search_in_process(lab, *words):
    return Command([lab.program("search-benchmark"), *words], tells=True)


def search_row(dimension, goal):
    @row(f"search-{dimension}", f"index search in process, × {dimension}", "NumPy's `M @ q` in float32, one thread",
         at_most=goal)
    def measure(lab):
        return lab.race(
            lab.runs(7, 3), search_in_process(lab, "index", lab.entries, dimension),
            Command([lab.python(), HERE / "numpy_search.py", lab.entries, dimension], tells=True))


for dimension in 384, 1536:
    search_row(dimension, 0.5)


@row("search-namespace", "a miss in one namespace among many, in process", "that namespace alone", at_most=1.0)
def search_namespace(lab):
    rows = lab.entries // lab.namespaces
    return lab.race(
        lab.runs(7, 3), search_in_process(lab, "namespaces", lab.namespaces, rows, lab.dimension),
        search_in_process(lab, "namespaces", 1, rows, lab.dimension))


# The Python library. Its bulk figures leave out its start and are of fewer entries: it is the rate that counts.


@row("python-get", "`get`, exact hit, whole process", PYTHON, at_least=20)
def python_get(lab):
    with lab.server() as server:
        lab.race(0, mneme(lab, "put", QUESTION, "On its way."), python(lab, "put"), server=server)
        return lab.race(lab.runs(15, 5), mneme(lab, "get", QUESTION), python(lab, "get"), server=server)


@row("python-put", "`put`, whole process", PYTHON, at_least=20)
def python_put(lab):
    with lab.server() as server:
        return lab.race(
            lab.runs(15, 5), mneme(lab, "put", QUESTION, "On its way."), python(lab, "put"), server=server)


@row("python-import", "`import`", PYTHON + ": `insert` of each entry", at_least=20)
def python_import(lab):
    return lab.race(
        lab.runs(3, 2), mneme(lab, "import", lab.file("lines"), count=lab.entries),
        python(lab, "insert", 4000, count=4000, tells=True))


@row("python-export", "`export` to a file, with embeddings", PYTHON + ": `iter_all`, written as JSON lines", at_least=20)
def python_export(lab):
    target = lab.directory / "export.jsonl"
    with lab.server(lab.snapshot()) as server:
        runs = lab.race(
            lab.runs(3, 2), mneme(lab, "export", "-o", target, count=lab.entries),
            python(lab, "iterate", 4000, count=4000, tells=True), server=server)
    target.unlink()
    return runs


@row("python-vacuum", "`vacuum`, half of the entries expired", PYTHON + ": `vacuum`", at_least=20)
def python_vacuum(lab):
    expired = lab.entries // 2
    return lab.race(
        lab.runs(3, 2), mneme(lab, "vacuum", count=expired), python(lab, "vacuum", 3000, count=3000, tells=True),
        snapshot=lab.snapshot(50))


@row("python-get-first", "`get`, semantic, first time on a cache, entries a second",
     PYTHON + ": opening a cache, and `get`", at_least=20)
def python_get_first(lab):
    return lab.race(
        lab.runs(3, 2), first_search(lab, count=lab.entries),
        python(lab, "search", 4000, count=4000, tells=True), snapshot=lab.snapshot(namespaces=1))


# Memory


def damage(lab, entries):
    """Makes a problem, one of five kinds, in every eighth entry."""
    def commands():
        for number in range(8, entries + 1, 8):
            key = f"bench:entry:{number}"
            yield (f"DEL {key}", f"HDEL {key} response", f"ZREM bench:by_id {number}",
                   f"ZADD bench:by_ttl 9999999999 {number}", f"HSET {key} access_count often")[number // 8 % 5]

    text = "".join(f"{command}\r\n" for command in commands()).encode()
    return lambda server: run(["redis-cli", "-p", server.port, "--pipe"], input=text)


def memory(lab):
    """The peak memory of each command that walks through a cache, in bytes, with few entries and with many."""
    dimension = 32
    few, many = lab.entries // 10, lab.many
    peaks = {}
    for entries in few, many:
        small = {"entries": entries, "dimension": dimension}
        whole, half = lab.snapshot(**small), lab.snapshot(50, **small)
        for snapshot, command in [
            (None, mneme(lab, "import", lab.file("lines", **small))),
            (whole, mneme(lab, "export", "-o", "/dev/null")),
            (whole, mneme(lab, "inspect-keys")),
            (whole, mneme(lab, "inspect-keys", "--sample", "all")),
            (whole, mneme(lab, "inspect-keys", "--check")),
            (half, mneme(lab, "health", status=None)),
            (half, mneme(lab, "vacuum")),
            (whole, mneme(lab, "vacuum", "--repair", before=damage(lab, entries), status=None)),
            (whole, mneme(lab, "set-quota", "--evict", "tenant-1", max(1, entries // 100))),
            (whole, mneme(lab, "clear", "--yes", "--all")),
            (lab.snapshot(namespaces=1, **small), first_search(lab)),
        ]:
            side, = lab.race(1, command, snapshot=snapshot)
            name = " ".join(str(word) for word in command.words[5:] if not str(word).startswith("/"))
            peaks.setdefault(name.removesuffix(" -o").removesuffix(f" {max(1, entries // 100)}"), []).append(side.peak)
        lab.drop()
    return {"entries": [few, many], "dimension": dimension, "peaks": peaks}
