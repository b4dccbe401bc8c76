"""The grid's server under load: a thousand sessions, and a catalogue of a million files."""

import asyncio
import re
import sqlite3
import ssl
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from bench.grid_server import GridServer, run_grid_server

__all__ = ["Sessions", "measure_sessions"]

SESSIONS = 1000
COMMANDS = ("pwd", "ls", "stat")
EACH = 10  # commands of each session
OPENING = 50  # sessions that are opened at a time
FILES = 1_000_000
FOLDER = 1000  # files of each folder
KIB = 1024


@dataclass(frozen=True)
class Sessions:
    """What was measured.

    Attributes:
        per_second: commands a second, all sessions together.
        session_kib: of the server's memory for each session.
        first_row_s: seconds from ``find`` to the first bytes of its reply, over a million files; the median.
        all_rows_s: to the last.
        find_growth_mib: how much the server's peak of memory grew in that.
    """

    per_second: float
    session_kib: float
    first_row_s: float
    all_rows_s: float
    find_growth_mib: float


def measure_sessions(folder: Path, rounds: int) -> Sessions:
    """Measure all."""
    with run_grid_server(folder / "crowd", "--rate-limit", "0") as server:
        per_second, session_kib = asyncio.run(_measure_crowd(server))
    with run_grid_server(folder / "million", "--rate-limit", "0") as server:
        server.stop()
        _fill(server.state / "catalogue.db", server)
        server.start("--rate-limit", "0")
        finds = asyncio.run(_measure_find(server, rounds))
    return Sessions(per_second, session_kib, *finds)


async def _measure_crowd(server: GridServer) -> tuple[float, float]:
    before = _read_memory(server, "VmRSS")
    connections: list[ClientConnection] = []
    while len(connections) < SESSIONS:
        connections += await asyncio.gather(*(_open(server) for _ in range(OPENING)))
    for connection in connections:
        await connection.send('{"command":"pwd","options":[]}')
        await connection.recv()
    memory = _read_memory(server, "VmRSS") - before
    began = time.perf_counter()
    await asyncio.gather(*map(_work, connections))
    taken_s = time.perf_counter() - began
    await asyncio.gather(*(connection.close() for connection in connections))
    return SESSIONS * EACH * len(COMMANDS) / taken_s, memory / KIB / SESSIONS


async def _work(connection: ClientConnection) -> None:
    for _ in range(EACH):
        for command in COMMANDS:
            options = '["."]' if command == "stat" else "[]"
            await connection.send(f'{{"command":"{command}","options":{options}}}')
            reply = str(await connection.recv())
            if '"exitcode": "0"' not in reply:
                raise RuntimeError(f"{command}: {reply[-300:]}")


async def _measure_find(server: GridServer, rounds: int) -> tuple[float, float, float]:
    before = _read_memory(server, "VmHWM")
    firsts, alls = [], []
    async with await _open(server) as connection:
        for _ in range(rounds):
            began = time.perf_counter()
            await connection.send('{"command":"find","options":["-nomsg","/million","*"]}')
            rows, first_s = 0, 0.0
            async for piece in connection.recv_streaming():
                first_s = first_s or time.perf_counter() - began
                rows += str(piece).count('"lfn"')
            if rows != FILES:
                raise RuntimeError(f"find gave {rows} rows of {FILES}")
            firsts.append(first_s)
            alls.append(time.perf_counter() - began)
    growth = _read_memory(server, "VmHWM") - before
    return statistics.median(firsts), statistics.median(alls), growth / KIB / KIB


async def _open(server: GridServer) -> ClientConnection:
    context = ssl.create_default_context(cafile=server.environment["X509_CERT_FILE"])
    context.load_cert_chain(server.environment["X509_USER_CERT"], server.environment["X509_USER_KEY"])
    url = f"wss://localhost:{server.port}/websocket/json"
    return await connect(url, ssl=context, compression=None, max_size=None, ping_interval=None, open_timeout=60)


def _fill(database: Path, server: GridServer) -> None:
    """A million files in the catalogue, as rows: to commit them one by one would take hours."""
    columns = (
        'path, parent, name, kind, owner, "group", mode, size, md5, guid, created_ms, modified_ms, expires_ms, job_id'
    )
    now = int(time.time() * 1000)
    with sqlite3.connect(database) as connection:
        insert = f"insert into grid_entries ({columns}) values ({','.join('?' * 14)})"
        connection.execute(insert, _row("/million", "/", "d", 0, now))
        for start in range(0, FILES, FOLDER):
            parent = f"/million/{start // FOLDER:04d}"
            connection.execute(insert, _row(parent, "/million", "d", 0, now))
            connection.executemany(
                insert,
                [_row(f"{parent}/file{number:07d}", parent, "f", 7, now) for number in range(start, start + FOLDER)],
            )
    connection.close()


def _row(path: str, parent: str, kind: str, size: int, now: int) -> tuple[object, ...]:
    mode = 0o755 if kind == "d" else 0o644
    name = path.rpartition("/")[2]
    return (path, parent, name, kind, "bench", "bench", mode, size, "", "", now, now, None, None)


def _read_memory(server: GridServer, kind: str) -> int:
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(rf"{kind}:\s+(\d+) kB", text)
    if match is None:
        raise RuntimeError("the grid's server has ended")
    return int(match[1]) * KIB
