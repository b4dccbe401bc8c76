"""Accepting: reports a second that a collector answers once they are on disk, and what it does with too many."""

import asyncio
import itertools
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from bench.inventory_fleet import Fleet
from bench.inventory_store import make_identity
from bench.report import Target
from headless.inventory.seal import seal
from headless.inventory.text import write_text

__all__ = ["Accepting", "build_accept_rows", "build_accept_targets", "measure_accepting"]

HEADLESS = str(Path(sys.executable).parent / "headless")
REPORTS = 4000
SENDERS = 64  # at a time, each with a connection of its own that it keeps
CROWD = 3000  # at the same moment, a connection and a report each
PER_SOURCE = 90  # of them from one address: below the collector's limit
CONNECTIONS = 1000  # that the collector takes at a time
DRAIN_S = 300.0


@dataclass(frozen=True)
class Accepting:
    """What was measured.

    Attributes:
        rate: reports a second, answered once synced, while others were stored beside them.
        crowd: how many senders came at once.
        answers: to them, by status; 0: none.
        crowd_s: until the last had its answer.
        lost: reports that were answered with 200, and are not kept.
    """

    rate: float
    crowd: int
    answers: Counter[int]
    crowd_s: float
    lost: int


def measure_accepting(folder: Path) -> Accepting:
    """Measure with a collector of its own in a folder."""
    folder.mkdir(parents=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * CROWD, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    certificate, key = make_identity(folder)
    bodies = [
        seal(write_text(replace(arrival.report, made=int(time.time()))), [certificate])
        for arrival in itertools.islice(Fleet(REPORTS + CROWD).list_day(0), REPORTS + CROWD)
    ]
    with _serve(folder, key) as port:
        began = time.perf_counter()
        taken = asyncio.run(_send_steadily(port, bodies[:REPORTS]))
        rate = len(taken) / (time.perf_counter() - began)
        began = time.perf_counter()
        answers = asyncio.run(_send_at_once(port, bodies[REPORTS:]))
        crowd_s = time.perf_counter() - began
        taken += [body for body, status in zip(bodies[REPORTS:], answers, strict=True) if status == 200]
        lost = _count_lost(folder / "state", taken)
    return Accepting(rate, CROWD, Counter(answers), crowd_s, lost)


def build_accept_targets(accepting: Accepting) -> list[Target]:
    """What must be reached: 500,000 hosts that report within the same hour are 139 a second."""
    return [
        Target("reports accepted, synced to disk, over HTTP: a second", accepting.rate, 139, None, "", True),
        Target("reports answered with 200 and lost, also above capacity", accepting.lost, 0, None, ""),
    ]


def build_accept_rows(accepting: Accepting) -> list[tuple[str, str]]:
    """The figures beside the targets."""
    crowd = f"of {accepting.crowd:,} senders at the same moment, where {CONNECTIONS:,} may be connected"
    return [
        (f"{crowd}: taken", f"{accepting.answers[200]:,}"),
        ("told to come later (503, Retry-After)", f"{accepting.answers[503]:,}"),
        ("cut off without an answer", f"{accepting.answers[0]:,}"),
        ("until the last of them knew", f"{accepting.crowd_s:.1f} s"),
    ]


async def _send_steadily(port: int, bodies: Sequence[bytes]) -> list[bytes]:
    queue = list(bodies)
    taken: list[bytes] = []

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while queue:
            body = queue.pop()
            if await _post(reader, writer, body) != 200:
                raise RuntimeError("a report was not taken, though there was room")
            taken.append(body)
        writer.close()

    await asyncio.gather(*(send() for _ in range(SENDERS)))
    return taken


async def _send_at_once(port: int, bodies: Sequence[bytes]) -> list[int]:
    async def send(number: int, body: bytes) -> int:
        source = f"127.0.1.{number // PER_SOURCE + 1}"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            status = await _post(reader, writer, body)
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            return 0
        return status

    return await asyncio.gather(*(send(number, body) for number, body in enumerate(bodies)))


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> int:
    writer.write(b"POST /feed/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split(maxsplit=2)[1])


@contextmanager
def _serve(folder: Path, key: str) -> Iterator[int]:
    read, write = os.pipe()
    networks = ("--allow", "127.0.0.0/8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [HEADLESS, "inventory", "serve", "--state", str(folder / "state"), "--listen", "127.0.0.1:0", *networks,
             "--key", key, "--ready-fd", str(write)],
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=(write,),
        )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            yield int(pipe.readline().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def _count_lost(state: Path, taken: Sequence[bytes]) -> int:
    """How many are not kept once all that waits is processed."""
    until = time.monotonic() + DRAIN_S
    while list((state / "spool").glob("*.batch")) and time.monotonic() < until:
        time.sleep(0.2)
    with closing(sqlite3.connect(state / "envelopes.db")) as connection:
        kept = {digest for (digest,) in connection.execute("select digest from letters where fate = 'stored'")}
    return sum(sha256(body).digest() not in kept for body in taken)
