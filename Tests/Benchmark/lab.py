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
import tempfile
import time

HERE = pathlib.Path(__file__).parent


class Failure(Exception):
    """Something that was to be measured did not do its work."""


class Missing(Exception):
    """A peer is not to be had here; the row is left out, and said to be."""


@dataclasses.dataclass
class Command:
    """One of the sides of a race. In the words, `{port}` and `{url}` stand for the server."""

    words: list
    input: str = "/dev/null"
    # How much is done: the rate is this by the time. 1: the time itself is what counts.
    count: int = 1
    # It prints {"count": …, "seconds": …} for its work alone: how long it takes to start is not held against it.
    tells: bool = False
    status: int = 0

    def at(self, server):
        return [str(word).replace("{port}", str(server.port)).replace("{url}", server.url) for word in self.words]


@dataclasses.dataclass
class Runs:
    """The runs of one side."""

    seconds: list = dataclasses.field(default_factory=list)
    kilobytes: list = dataclasses.field(default_factory=list)
    count: int = 1

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def peak(self):
        return max(self.kilobytes) * 1024


class Server:
    """A redis-server of our own, gone when the `with` ends."""

    def __init__(self, directory, snapshot=None):
        self.directory, self.snapshot = directory, snapshot

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
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

    def __init__(self, place, entries, dimension, namespaces, quick, mneme):
        self.place, self.entries, self.dimension, self.namespaces = place, entries, dimension, namespaces
        self.quick = quick
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
            wire = self.file("wire", expired, entries, dimension, namespaces)
            path = self.directory / ("-".join(map(str, key)) + ".rdb")
            with Server(self.directory, path) as server, open(wire, "rb") as pipe:
                run(["redis-cli", "-p", server.port, "--pipe"], stdin=pipe)
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

    def race(self, rounds, *commands, server=None, snapshot=None, check=None):
        """Runs the commands in turn, `rounds` times: all on one server, or each on a new one with the snapshot.

        `check(server)` is asked after each run on a new server, and raises `Failure` when the work was not done.
        """
        sides = [Runs(count=command.count) for command in commands]
        if server is not None:
            # One launcher for all rounds, unless a side tells its time: each round would write over what the one before
            # told. The first round warms up and does not count.
            tells = any(command.tells for command in commands)
            outputs = [self.directory / f"output-{place}" for place in range(len(commands))]
            for launch in range(rounds + 1 if tells else 1):
                launched = self._launch(1 if tells else rounds + 1, commands, outputs, server)
                for number, values in enumerate(launched):
                    if launch > 0 or number >= len(commands):
                        self._note(sides, commands, outputs, *values)
        else:
            for _ in range(rounds):
                for place, command in enumerate(commands):
                    output = self.directory / "output"
                    with self.server(snapshot) as fresh:
                        (_, *values), = self._launch(1, [command], [output], fresh)
                        if check:
                            check(fresh)
                    self._note(sides, commands, [output] * len(commands), place, *values)
        return sides

    def _launch(self, rounds, commands, outputs, server):
        words = [self.program("race"), str(rounds)]
        for place, (command, output) in enumerate(zip(commands, outputs)):
            words += [";;"] * (place > 0) + [command.input, str(output), *command.at(server)]
        for line in run(words, stdout=subprocess.PIPE).stdout.decode().splitlines():
            place, nanoseconds, kilobytes, status = map(int, line.split())
            if status != commands[place].status:
                raise Failure(f"{commands[place].at(server)} ended with status {status}")
            yield place, nanoseconds / 1e9, kilobytes

    def _note(self, sides, commands, outputs, place, seconds, kilobytes):
        if commands[place].tells:
            told = json.loads(outputs[place].read_text())
            seconds = told["seconds"] * commands[place].count / told["count"]
        sides[place].seconds.append(seconds)
        sides[place].kilobytes.append(kilobytes)

    def pinged(self, command, snapshot=None):
        """Runs a command while another client sends PING; that one's delays in seconds: median, p99, longest."""
        with self.server(snapshot) as server:
            ping = subprocess.Popen(
                [self.program("ping"), str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            ping.stdout.readline()
            if command is None:
                time.sleep(2)
            else:
                list(self._launch(1, [command], [self.directory / "output"], server))
            answer, _ = ping.communicate()
            if ping.returncode != 0:
                raise Failure("the pinging client failed")
            return [int(value) / 1e6 for value in answer.split()[1:]]


def run(words, **settings):
    done = subprocess.run([str(word) for word in words], **{"stdout": subprocess.DEVNULL} | settings)
    if done.returncode != 0:
        raise Failure(f"{words[0]} ended with status {done.returncode}")
    return done


class Neighbours:
    """What share of the processors went to processes that are none of ours while the `with` lasted."""

    def __enter__(self):
        self.busy, self.own, self.start = self._busy(), self._own(), time.monotonic()
        return self

    def __exit__(self, *_):
        capacity = (time.monotonic() - self.start) * len(os.sched_getaffinity(0))
        foreign = (self._busy() - self.busy) - (self._own() - self.own)
        self.share = max(0.0, foreign / capacity)

    @staticmethod
    def _busy():
        """Seconds in which the processors we may use were busy, or were withheld by a hypervisor."""
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
