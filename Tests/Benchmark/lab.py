"""Servers, data and races: what the rows of the benchmark are measured with."""

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing

HERE = pathlib.Path(__file__).parent


class Failure(Exception):
    """A measured program that failed."""


class Missing(Exception):
    """A program to compare with that is missing; the row is left out, with a note."""


@dataclasses.dataclass
class Command:
    """One of the sides of a race. In the words, `{port}` and `{url}` are replaced by those of the server."""

    words: list
    input: str = "/dev/null"
    # The amount of work, from which the rate is computed; 1 if the time itself is measured.
    count: int = 1
    # It prints {"count": …, "seconds": …} for its work alone: its start is not measured.
    tells: bool = False
    # The expected exit status; None for any.
    status: int | None = 0
    # Called with the server before each run, outside of the time that is measured.
    before: typing.Callable | None = None

    def at(self, port):
        return [str(word).replace("{port}", str(port)).replace("{url}", url_of(port)) for word in self.words]


@dataclasses.dataclass
class Runs:
    """The runs of one side."""

    seconds: list = dataclasses.field(default_factory=list)
    kilobytes: list = dataclasses.field(default_factory=list)
    # The 99th percentile of the neighbour's delays in each run, in seconds; empty where it was not measured run by run.
    p99s: list = dataclasses.field(default_factory=list)
    count: int = 1

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def peak(self):
        return max(self.kilobytes) * 1024


def url_of(port):
    return f"redis://127.0.0.1:{port}"


class Server:
    """A redis-server that is stopped when the `with` ends."""

    def __init__(self, directory, snapshot=None):
        self.directory, self.snapshot = directory, snapshot

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--rdbcompression", "no", "--dir", str(self.directory), "--dbfilename",
            self.snapshot.name if self.snapshot else "none.rdb"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                if self.ask("PING") == "PONG":
                    return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure("redis-server did not start")
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        """Sends one command; the answer is a status, an error, a number or a string."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=300) as link:
            link.sendall(b"*%d\r\n" % len(words) + b"".join(
                b"$%d\r\n%s\r\n" % (len(word), word) for word in (str(word).encode() for word in words)))
            answer = link.makefile("rb")
            line = answer.readline().decode().rstrip("\r\n")
            return answer.read(int(line[1:])).decode() if line[0] == "$" else line[1:]


class Lab:
    """Where rows are measured."""

    def __init__(self, place, entries, dimension, namespaces, quick, neighbour, mneme):
        self.place, self.entries, self.dimension, self.namespaces = place, entries, dimension, namespaces
        self.quick = quick
        # The number of commands a second that another client sends; 0: there is no other client.
        self.neighbour = neighbour
        self.mneme = str(mneme or place / "bin" / "mneme")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="data-", dir=place))
        self.made = {}
        # Where mneme keeps vectors.
        self.cache = self.directory / "cache"
        os.environ["XDG_CACHE_HOME"] = str(self.cache)

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def program(self, name):
        return str(self.place / "bin" / name)

    def python(self):
        """The interpreter that has the Python library."""
        python = pathlib.Path(".build/interop/bin/python").absolute()
        if not python.exists():
            raise Missing("mneme-cache did not come from PyPI")
        return str(python)

    @property
    def many(self):
        """Entries of a large cache."""
        return 10 * self.entries

    def runs(self, full, quick):
        return quick if self.quick else full

    # Data

    def file(self, form, expired=0, entries=None, dimension=None, namespaces=None):
        """A generated cache: `form` is `wire` for redis-cli --pipe or `lines` for import."""
        entries, dimension = entries or self.entries, dimension or self.dimension
        namespaces = namespaces or self.namespaces
        key = form, expired, entries, dimension, namespaces
        if key not in self.made:
            path = self.directory / "-".join(map(str, key))
            files = (path, "-") if form == "wire" else ("-", path)
            run([self.program("generate"), entries, dimension, namespaces, expired, *files])
            self.made[key] = path
        return str(self.made[key])

    def snapshot(self, expired=0, entries=None, dimension=None, namespaces=None):
        """A dump.rdb of a generated cache, so that each run can begin with a server that is the same."""
        entries, dimension = entries or self.entries, dimension or self.dimension
        key = "rdb", expired, entries, dimension, namespaces or self.namespaces
        if key not in self.made:
            path = self.directory / ("-".join(map(str, key)) + ".rdb")
            generate = [self.program("generate"), *map(str, (*key[2:], expired)), "/dev/stdout", "-"]
            with Server(self.directory, path) as server, subprocess.Popen(generate, stdout=subprocess.PIPE) as wire:
                run(["redis-cli", "-p", server.port, "--pipe"], stdin=wire.stdout)
                if server.ask("ZCARD", "bench:by_id") != str(entries):
                    raise Failure("the server did not take the generated cache")
                server.ask("SAVE")
            self.made[key] = path
        return self.made[key]

    def drop(self):
        """Removes the files that were made so far: a million entries are a gigabyte or two."""
        for path in self.made.values():
            path.unlink(missing_ok=True)
        self.made.clear()

    def server(self, snapshot=None):
        return Server(self.directory, snapshot)

    # Races

    def race(self, rounds, *commands, server=None, snapshot=None, check=None, apart=False, round_trip=0):
        """Runs the commands in turn, `rounds` times, while the neighbour uses the server.

        All runs are on `server`, or each is on a new one with the snapshot. On one server a first round warms up and
        does not count; with `apart` each run there has a neighbour of its own, as runs on new servers always have, and
        the neighbour's delays are known by side. `check(server)` is asked after each run on a new server, and raises
        `Failure` when the work was not done. With `round_trip` there is a link between the commands and the server on
        which a question and its answer take so many milliseconds; the neighbour is on the server's side of it.
        """
        sides = [Runs(count=command.count) for command in commands]
        outputs = [self.directory / f"output-{place}" for place in range(len(commands))]
        if server is not None and not apart:
            # One launcher for all rounds, unless a side prints its time, which the next round would overwrite.
            tells = any(command.tells for command in commands)
            with self.neighbour_of(server):
                for launch in range(rounds + 1 if tells else 1):
                    launched = self._launch(1 if tells else rounds + 1, commands, outputs, server.port)
                    for number, values in enumerate(launched):
                        if launch > 0 or number >= len(commands):
                            self._note(sides, commands, outputs, *values)
            return sides
        for number in range(rounds if server is None else rounds + 1):
            for place, command in enumerate(commands):
                with contextlib.nullcontext(server) if server else self.server(snapshot) as used:
                    values, p99 = self._run_apart(command, outputs[place], used, round_trip)
                    if check:
                        check(used)
                if server is None or number > 0:
                    self._note(sides, commands, outputs, place, *values)
                    sides[place].p99s += [p99] if p99 is not None else []
        return sides

    def _run_apart(self, command, output, server, round_trip):
        if command.before:
            command.before(server)
        with self.link_to(server, round_trip) as port, self.neighbour_of(server) as delays:
            (_, *values), = self._launch(1, [command], [output], port)
        return values, delays[2] if delays else None

    def _launch(self, rounds, commands, outputs, port):
        words = [self.program("race"), str(rounds)]
        for place, (command, output) in enumerate(zip(commands, outputs)):
            words += [";;"] * (place > 0) + [command.input, str(output), *command.at(port)]
        for line in run(words, stdout=subprocess.PIPE).stdout.decode().splitlines():
            place, nanoseconds, kilobytes, status = map(int, line.split())
            if status != commands[place].status and commands[place].status is not None:
                raise Failure(f"{commands[place].at(port)} ended with status {status}")
            yield place, nanoseconds / 1e9, kilobytes

    def _note(self, sides, commands, outputs, place, seconds, kilobytes):
        if commands[place].tells:
            told = json.loads(outputs[place].read_text())
            seconds = told["seconds"] * commands[place].count / told["count"]
        sides[place].seconds.append(seconds)
        sides[place].kilobytes.append(kilobytes)

    @contextlib.contextmanager
    def neighbour_of(self, server):
        """Another client of the server. Its number of delays, median, p99 and longest, the latter three in seconds, are
        in the list afterwards; the list stays empty where there is no neighbour."""
        delays = []
        if self.neighbour == 0:
            yield delays
            return
        ping = subprocess.Popen(
            [self.program("ping"), str(server.port), str(self.neighbour)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        try:
            ping.stdout.readline()
            yield delays
        finally:
            answer, _ = ping.communicate()
        if ping.returncode != 0:
            raise Failure("the neighbour failed")
        count, *felt = map(int, answer.split())
        delays += [count, *(value / 1e6 for value in felt)]

    @contextlib.contextmanager
    def link_to(self, server, round_trip):
        """The port at which the server is reached, over a link with a round trip in milliseconds."""
        if round_trip == 0:
            yield server.port
            return
        link = subprocess.Popen(
            [sys.executable, "-B", str(HERE / "link.py"), str(server.port), str(round_trip)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        try:
            yield int(link.stdout.readline())
        finally:
            link.kill()
            link.communicate()


def run(words, **settings):
    done = subprocess.run([str(word) for word in words], **{"stdout": subprocess.DEVNULL} | settings)
    if done.returncode != 0:
        raise Failure(f"{words[0]} ended with status {done.returncode}")
    return done


class OtherProcesses:
    """The share of the processors that other processes used during the `with` block."""

    def __enter__(self):
        self.busy, self.own, self.start = self._busy(), self._own(), time.monotonic()
        return self

    def __exit__(self, *_):
        capacity = (time.monotonic() - self.start) * len(os.sched_getaffinity(0))
        foreign = (self._busy() - self.busy) - (self._own() - self.own)
        self.share = max(0.0, foreign / capacity)

    @staticmethod
    def _busy():
        """Seconds in which the processors of this process were busy, or were used by another virtual machine."""
        ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        total = 0
        for line in pathlib.Path("/proc/stat").read_text().splitlines():
            name, *ticks = line.split()
            if name in ours:
                user, nice, system, _, _, irq, softirq, steal, *_ = map(int, ticks)
                total += user + nice + system + irq + softirq + steal
        return total / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own():
        usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)
