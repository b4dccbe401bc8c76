"""Hosts that report all the while, whatever becomes of the collector's database, and what must be stored of it."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from fault_support import fake_time, set_clock
from headless.database.backends import build_engine, check_url
from headless.inventory.package import canonical_lines, digest
from headless.inventory.seal import seal
from headless.inventory.text import write_text
from inventory_identities import Holder
from inventory_server import CollectorServer, post, read_status, talk
from inventory_support import make_report, read_history
from support import wait_for

TURN = 4  # reports of a host that say the same


class Clock:
    """The collector's clock, which is true.

    Attributes:
        speed: how many times as fast as the true one it goes.
    """

    speed = 1

    def now(self) -> int:
        """The second that it shows."""
        return int(time.time())


class FastClock(Clock):
    """The collector's clock, faked by libfaketime: it never goes back, but its speed can be changed.

    Both of its clocks go by it, the one that dates and the one that counts; so do all waits, pauses and time limits of
    the collector, those of its database's driver too. Only what it does takes its true time, by this clock ``speed``
    times as long; and the database's own time limits are true.
    """

    def __init__(self, file: Path, server: CollectorServer, speed: int) -> None:
        """Args:
        file: by which it is set.
        server: whose clock it is; not started yet.
        speed: see :class:`Clock`.
        """
        self._file = file
        self._server = server
        self.speed = speed
        server.variables |= fake_time(file)
        set_clock(file, 0, speed)
        self._loaded = self._seen = self._shown = time.time()  # its speed counts from here on
        self._lock = threading.Lock()

    def now(self) -> int:
        """The second that it shows, or somewhat earlier."""
        with self._lock:
            return int(self._estimate())

    def _estimate(self) -> float:
        return self._shown + (time.time() - self._seen) * self.speed

    def look(self) -> None:
        """See what it shows: a date in an answer is up to a second old."""
        answer = talk(self._server.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self._seen = time.time()
        [date] = [line for line in answer.decode().split("\r\n") if line.lower().startswith("date: ")]
        self._shown = parsedate_to_datetime(date.partition(" ")[2]).timestamp()

    def change(self, speed: int) -> None:
        """Have it go faster or slower, from a minute ahead on: it is not known to the second."""
        with self._lock:
            wanted = self._estimate() + 60 - self._loaded
            set_clock(self._file, wanted - (time.time() - self._loaded) * speed, speed)
            self.speed = speed
            time.sleep(0.2)  # until its answers have its new date
            self.look()


class Said(NamedTuple):
    """A report that was answered with 200: between which seconds it counts, and the version that it told."""

    low: int
    high: int
    version: str


@dataclass
class Host:
    """A host that reports.

    Attributes:
        name: without a dot.
        kind: "made": it says when its reports were made, and sends every other one twice; "sealed": so too, and nobody
            on the way can read it; "plain": it does not say when.
        said: what was answered with 200, in its order.
        refused: what was not, with the body: it is kept, as ``headless inventory report`` does.
    """

    name: str
    kind: str
    said: list[Said] = field(default_factory=list)
    refused: list[tuple[Said, bytes]] = field(default_factory=list)
    count: int = 0

    def report(self, now: int, holder: Holder) -> tuple[Said, bytes]:
        """Make the next one."""
        version = str(1 + self.count // TURN)
        self.count += 1
        made = now if self.kind != "plain" else 0
        body = write_text(make_report(version, host=f"{self.name}.example.org", made=made))
        if self.kind == "sealed":
            body = seal(body, [holder.certificate])
        return Said(now, now, version), body


class Reporting:
    """Reports of several hosts that never stop, at a modest rate, each host with time between two of its own.

    Attributes:
        hosts: all of them.
        statuses: how many answers of each status there were.
        untrue: answers that nobody may get.
    """

    def __init__(self, server: CollectorServer, holder: Holder, clock: Clock, hosts: int, rate: float) -> None:
        """Args:
        server: to whom.
        holder: for whom some seal.
        clock: the hosts', which is the collector's.
        hosts: how many.
        rate: reports a second of all of them.
        """
        kinds = itertools.cycle(("made", "sealed", "plain"))
        self.hosts = [Host(f"node{number}", next(kinds)) for number in range(hosts)]
        self.statuses: dict[int, int] = {}
        self.untrue: list[bytes] = []
        self._server = server
        self._holder = holder
        self._clock = clock
        self._pause_s = 1 / rate
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def finish(self) -> None:
        """No more; what was refused is sent once more, until it is taken."""
        self._is_over.set()
        self._thread.join()
        for host in self.hosts:
            for said, body in host.refused:
                wait_for(lambda body=body: self._send(body) == 200, "room in the spool", 60)  # type: ignore[misc]
                host.said.append(said)
            if host.refused:
                host.said.sort()

    def _run(self) -> None:
        due = time.monotonic()
        for host in itertools.cycle(self.hosts):
            due = max(due + self._pause_s, time.monotonic())  # never two of a host in one second, to catch up
            if self._is_over.wait(max(due - time.monotonic(), 0)):
                return
            self._report(host)

    def _report(self, host: Host) -> None:
        before = self._clock.now()
        said, body = host.report(before - self._clock.speed, self._holder)  # never ahead of the collector's clock
        status = self._send(body)
        if host.kind == "plain":
            # It counts as of when it came; who does not say when he made it does not send it later.
            said = Said(before - 2 * self._clock.speed, self._clock.now() + 2 * self._clock.speed, said.version)
        elif host.count % 2:
            status = max(status, self._send(body))
        if status == 200:
            host.said.append(said)
        elif host.kind != "plain":
            host.refused.append((said, body))

    def _send(self, body: bytes) -> int:
        answer = talk(self._server.port, post("/feed/", body))
        status = read_status(answer)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status != 200 and (status != 503 or b"\r\nretry-after: " not in answer):
            self.untrue.append(answer)
        return status


def read_stored(url: str) -> dict[str, list[tuple[tuple[int, ...], bytes]]]:
    """What a collector's database holds: for each host the spans, the times and the hash of the list of each."""
    engine = build_engine(check_url(url, "database", ("postgresql", "mysql")))
    try:
        with engine.connect() as connection:
            return {key[0]: spans for key, spans in _read_history(connection).items()}
    finally:
        engine.dispose()


_read_history: Callable[[Connection], dict[tuple[str, ...], list[tuple[tuple[int, ...], bytes]]]] = read_history


def check_stored(url: str, hosts: list[Host]) -> None:
    """Each report that was answered with 200 must be stored once, at its own time, and nothing else."""
    stored = read_stored(url)
    assert sorted(stored) == sorted(host.name for host in hosts)
    for host in hosts:
        told = [(moment, content) for times, content in stored[host.name] for moment in times]
        assert len(told) == len(host.said), (host.name, host.kind, [moment for moment, _ in told], host.said)
        for (moment, content), said in zip(told, host.said, strict=True):
            assert said.low <= moment <= said.high, (host.name, host.kind, moment, said)
            assert content == _hash(said.version), (host.name, moment, said)
        contents = [content for _, content in stored[host.name]]
        assert all(a != b for a, b in itertools.pairwise(contents)), host.name


def _hash(version: str) -> bytes:
    return digest(canonical_lines(make_report(version).packages))


class Look(NamedTuple):
    """What a collector takes: seconds since the begin, KiB of memory, bytes and files in the spool."""

    second: int
    memory: int
    spooled: int
    files: int


class Watching:
    """Questions to the API, now and then, while its database comes and goes; and a look at what the collector takes.

    Attributes:
        statuses: how many answers of each status there were to questions.
        untrue: answers that nobody may get.
        rows: what was seen.
    """

    def __init__(self, server: CollectorServer, token: str, pause_s: float) -> None:
        """Args:
        server: which is asked.
        token: that may ask.
        pause_s: between two looks.
        """
        self.statuses: dict[int, int] = {}
        self.untrue: list[bytes] = []
        self.rows: list[Look] = []
        self._server = server
        self._token = token
        self._pause_s = pause_s
        self._begun = time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def finish(self) -> None:
        """No more."""
        self._is_over.set()
        self._thread.join()

    def look(self) -> Look:
        """What it takes now."""
        assert self._server.process is not None
        files = list(_list_sizes(self._server.state / "spool"))
        memory = read_memory(self._server.process.pid)
        return Look(int(time.monotonic() - self._begun), memory, sum(files), len(files))

    def _run(self) -> None:
        while not self._is_over.wait(self._pause_s):
            self.rows.append(row := self.look())
            print(f"{row.second:5d} s {row.memory:7d} KiB {row.spooled:9d} bytes {row.files:6d} files", flush=True)  # noqa: T201
            for path in ("/api/v1/hosts", "/"):
                answer = talk(self._server.port, ask(path, self._token))
                status = read_status(answer)
                self.statuses[status] = self.statuses.get(status, 0) + 1
                is_told = status == 200 or (status == 503 and b"\r\nretry-after: " in answer.lower())
                if not is_told:
                    self.untrue.append(answer)


def ask(path: str, token: str) -> bytes:
    """A question with a token, as the API and the pages take it."""
    head = (f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Authorization: Bearer {token}")
    return "\r\n".join([*head, "", ""]).encode()


def read_memory(process: int) -> int:
    """The memory that a process holds, KiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _list_sizes(folder: Path) -> Iterator[int]:
    for path in folder.iterdir():
        try:
            yield path.stat().st_size
        except FileNotFoundError:
            continue
