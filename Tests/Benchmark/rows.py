"""What is measured. A row is a function that races two sides and returns their `Runs`, ours first."""

import dataclasses
import time
import typing

from lab import Command, Failure, HERE

CLI = "`redis-cli`"
PYTHON = "Python mneme-cache 1.0.1"


@dataclasses.dataclass
class Row:
    name: str
    work: str
    against: str
    # "time": ours by theirs, the goal is not to be passed. "rate": ours by theirs, the goal is to be reached.
    kind: str
    goal: float
    measure: typing.Callable


ROWS = []


def row(name, work, against, *, at_most=None, at_least=None):
    """Adds a row: `at_most` of the other's time, or `at_least` of the other's rate."""
    def add(measure):
        kind, goal = ("rate", at_least) if at_most is None else ("time", at_most)
        ROWS.append(Row(name, work, against, kind, goal, measure))
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
    """The Python library at `task`, on entries of its own."""
    return Command([lab.python(), HERE / "python_peer.py", "{url}", task, entries], **settings)


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


# By meaning: a miss, since the vectors are made up by chance, in a namespace that has every entry


def search_server(lab):
    return lab.server(lab.snapshot(namespaces=1))


def first_search(lab, **settings):
    """A search after the vectors that the run before has kept are gone; to remove them is counted in."""
    command = mneme(lab, "get", "-n", "tenant-1", "something else entirely", status=1, **settings)
    command.words = ["sh", "-c", 'rm -rf "$0"; exec "$@"', lab.cache, *command.words]
    return command


@row("get-first", "`get` by meaning, first time on a cache", "C over hiredis: pipelined `HGET embedding` of the namespace",
     at_most=1.2)
def get_first(lab):
    with search_server(lab) as server:
        return lab.race(
            lab.runs(11, 3), first_search(lab), program(lab, "fetch", "embeddings", "tenant-1"), server=server)


@row("get-again", "`get` by meaning, again, all entries in one namespace", "`redis-cli GET` of one key, whole process",
     at_most=4)
def get_again(lab):
    with search_server(lab) as server:
        return lab.race(
            lab.runs(100, 30), mneme(lab, "get", "-n", "tenant-1", "something else entirely", status=1),
            redis_cli("GET", "bench:version"), server=server)


# Everything that there is


@row("import", "`import`", "`redis-cli --pipe`, a ready-made transaction for each entry", at_least=1.0)
def import_lines(lab):
    return lab.race(
        lab.runs(7, 3), mneme(lab, "import", lab.file("lines"), count=lab.entries),
        redis_cli("--pipe", input=lab.file("wire"), count=lab.entries), check=holds(lab.entries))


@row("export", "`export` to a file, with embeddings", "C over hiredis: pipelined `HGETALL`, replies dropped", at_least=0.6)
def export(lab):
    target = lab.directory / "export.jsonl"
    with lab.server(lab.snapshot()) as server:
        runs = lab.race(
            lab.runs(11, 3), mneme(lab, "export", "-o", target, count=lab.entries),
            program(lab, "fetch", "entries", count=lab.entries), server=server)
    with open(target, "rb") as lines:
        if sum(1 for _ in lines) != lab.entries:
            raise Failure("the export does not hold every entry")
    target.unlink()
    return runs


@row("vacuum", "`vacuum`, half of the entries expired", "C over hiredis: the same deletions, without the guards", at_least=0.7)
def vacuum(lab):
    expired = lab.entries // 2
    return lab.race(
        lab.runs(7, 3), mneme(lab, "vacuum", count=expired),
        program(lab, "expire", int(time.time()), count=expired), snapshot=lab.snapshot(50),
        check=holds(lab.entries - expired))


@row("inspect", "`inspect-keys`, sampling", "`redis-cli --bigkeys`", at_most=0.15)
def inspect(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(lab.runs(5, 2), mneme(lab, "inspect-keys"), redis_cli("--bigkeys"), server=server)


@row("inspect-all", "`inspect-keys --sample all`", "`redis-cli --memkeys`", at_most=0.25)
def inspect_all(lab):
    with lab.server(lab.snapshot()) as server:
        return lab.race(
            lab.runs(5, 2), mneme(lab, "inspect-keys", "--sample", "all"), redis_cli("--memkeys"), server=server)


# In one process, one thread


def search(lab, *words):
    return Command([lab.program("search-benchmark"), *words], tells=True)


def search_row(precision, dimension, goal):
    @row(f"search-{precision}-{dimension}", f"index search in process, {precision}, × {dimension}",
         "NumPy's `M @ q` in float32, one thread", at_most=goal)
    def measure(lab):
        return lab.race(
            lab.runs(7, 3), search(lab, "index", precision, lab.entries, dimension),
            Command([lab.python(), HERE / "numpy_search.py", lab.entries, dimension], tells=True))


for precision, goal in ("float32", 1.0), ("int8", 0.5):
    for dimension in 384, 1536:
        search_row(precision, dimension, goal)


@row("search-namespace", "a miss in one namespace among many, in process", "that namespace alone", at_most=1.0)
def search_namespace(lab):
    rows = lab.entries // lab.namespaces
    return lab.race(
        lab.runs(7, 3), search(lab, "namespaces", lab.namespaces, rows, lab.dimension),
        search(lab, "namespaces", 1, rows, lab.dimension))


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


@row("python-get-first", "`get` by meaning, first time on a cache, entries a second",
     PYTHON + ": opening a cache, and `get`", at_least=20)
def python_get_first(lab):
    return lab.race(
        lab.runs(3, 2), first_search(lab, count=lab.entries),
        python(lab, "search", 4000, count=4000, tells=True), snapshot=lab.snapshot(namespaces=1))


# What it costs others and the machine


def bulk(lab, entries, dimension):
    """Every command that walks through a cache: its name, ours, its peer, and the snapshot that it begins with."""
    small = {"entries": entries, "dimension": dimension}
    whole, half = lab.snapshot(**small), lab.snapshot(50, **small)
    return [
        ("import", mneme(lab, "import", lab.file("lines", **small)),
         redis_cli("--pipe", input=lab.file("wire", **small)), None),
        ("export", mneme(lab, "export", "-o", "/dev/null"), program(lab, "fetch", "entries"), whole),
        ("vacuum", mneme(lab, "vacuum"), program(lab, "expire", int(time.time())), half),
        ("inspect-keys", mneme(lab, "inspect-keys"), redis_cli("--bigkeys"), whole),
        ("inspect-keys --sample all", mneme(lab, "inspect-keys", "--sample", "all"), redis_cli("--memkeys"), whole),
    ]


def memory(lab):
    """The peak memory of each bulk command, in bytes, with few entries and with a hundred times as many."""
    dimension = 32
    few, many = (1_000, 20_000) if lab.quick else (10_000, 1_000_000)
    peaks = {}
    for entries in few, many:
        for name, ours, _, snapshot in bulk(lab, entries, dimension):
            side, = lab.race(1, ours, snapshot=snapshot)
            peaks.setdefault(name, []).append(side.peak)
        lab.drop()
    return {"entries": [few, many], "dimension": dimension, "peaks": peaks}


def pings(lab):
    """What another client that sends PING feels meanwhile: for each side median, p99 and longest, in seconds."""
    felt = {"an idle server": [lab.pinged(None, lab.snapshot()), None]}
    for name, ours, theirs, snapshot in bulk(lab, lab.entries, lab.dimension):
        felt[name] = [lab.pinged(ours, snapshot), lab.pinged(theirs, snapshot)]
    return felt
