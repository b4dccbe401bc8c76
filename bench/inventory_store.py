"""Storing: reports a second out of the spool, beside the naive layout; bytes kept for a report of a large fleet."""

import argparse
import asyncio
import datetime
import itertools
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import func, select

from bench.inventory_fleet import Fleet
from bench.report import Target, build_table
from headless.inventory.collect.arrival import Arrival
from headless.inventory.collect.collector import open_collector
from headless.inventory.collect.feeds import LOCAL, Feed
from headless.inventory.collect.schema import sets, spans
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.collect.store import Store
from headless.inventory.seal import seal
from headless.inventory.text import write_text

__all__ = [
    "HOSTS",
    "Storing",
    "build_store_rows",
    "build_store_targets",
    "make_identity",
    "measure_sealed",
    "measure_storing",
    "store_fleet",
]

BATCH = 250
SEALED, NAIVE = 5_000, 300  # reports
SITES = 15  # of those
HOSTS = 500_000
"""Of the simulated fleet."""


@dataclass(frozen=True)
class Storing:
    """What was measured; rates are reports a second. ``new_rate`` is that of hosts of which no two have equal lists."""

    sealed_rate: float
    new_rate: float
    accepted_rate: float
    layout_rate: float
    naive_rate: float
    replayed: int
    reports: int
    bytes_each: float
    fleet_rate: float
    sets: int
    spans: int

    @property
    def times_naive(self) -> float:
        """How many times the naive layout's rate is ours, both from reports that are read."""
        return self.layout_rate / self.naive_rate


def measure_storing(folder: Path, hosts: int, sealed: int = SEALED) -> Storing:
    """Measure all."""
    fleet = Fleet(hosts)
    # Of few sites, so that as large a share of the lists is seen before as in a large fleet's stream.
    sample = list(Fleet(sealed, SITES).list_day(0))
    accepted_rate, sealed_rate, replayed = asyncio.run(measure_sealed(folder / "sealed", sample))
    _, new_rate, _ = asyncio.run(measure_sealed(folder / "new", list(Fleet(sealed, SITES, drifted=1).list_day(0))))
    layout_rate = asyncio.run(_measure_layout(folder / "layout", sample))
    naive_rate = _measure_naive(folder / "naive.db", sample[:NAIVE])
    reports, size, took_s, counts = asyncio.run(store_fleet(folder / "fleet", fleet))
    return Storing(
        sealed_rate,
        new_rate,
        accepted_rate,
        layout_rate,
        naive_rate,
        replayed,
        reports,
        size / reports,
        reports / took_s,
        *counts,
    )


def build_store_targets(storing: Storing) -> list[Target]:
    """What must be reached."""
    return [
        Target("sealed reports opened, checked, stored: a second", storing.sealed_rate, 500, None, "", True),
        Target("storing, times the naive layout", storing.times_naive, 20, None, "x", True),
        Target("reports that a replay has added", storing.replayed, 0, None, ""),
        Target(f"kept for each of {storing.reports:,} reports", storing.bytes_each, 40, None, "bytes"),
    ]


def build_store_rows(storing: Storing) -> list[tuple[str, str]]:
    """The figures beside the targets."""
    return [
        ("bodies accepted, synced to disk, 256 callers: a second", f"{storing.accepted_rate:,.0f}"),
        ("sealed reports stored, each with a list of its own: a second", f"{storing.new_rate:,.0f}"),
        ("reports stored, read before: a second", f"{storing.layout_rate:,.0f}"),
        ("the same in the naive layout", f"{storing.naive_rate:,.0f}"),
        ("the whole fleet, made up and stored: reports a second", f"{storing.fleet_rate:,.0f}"),
        ("its different lists of packages", f"{storing.sets:,}"),
        ("its spans", f"{storing.spans:,}"),
    ]


async def measure_sealed(folder: Path, sample: Sequence[Arrival], database: str = "") -> tuple[float, float, int]:
    """Bodies accepted a second, reports processed a second, and how many spans a replay adds.

    Args:
        folder: for the state; is made.
        sample: the reports.
        database: its URL, empty and new; left out: SQLite in the state.
    """
    folder.mkdir(parents=True)
    certificate, path = make_identity(folder)
    bodies = [seal(write_text(arrival.report), [certificate]) for arrival in sample]
    now = max(arrival.received for arrival in sample)
    settings = CollectorSettings(
        state=str(folder), database=database, keys=(path,), feeds={LOCAL: Feed(name=LOCAL, path="", sites=("*",))}
    )
    async with open_collector(settings) as collector:

        async def put(received: int) -> float:
            began = time.perf_counter()
            for start in range(0, len(bodies), 256):
                letters = [Letter(Arrived(received, LOCAL, LOCAL), body) for body in bodies[start : start + 256]]
                await asyncio.gather(*map(collector.spool.put_letter, letters))
            return len(bodies) / (time.perf_counter() - began)

        async def count() -> int:
            return await collector.store.read(lambda connection: connection.execute(ALL_TIMES).scalar_one())

        accepted_rate = await put(now)
        began = time.perf_counter()
        await collector.worker.work_off()
        rate = len(bodies) / (time.perf_counter() - began)
        before = await count()
        await put(now + 60)
        await collector.worker.work_off()
        return accepted_rate, rate, await count() - before


ALL_TIMES = select(func.count() + func.sum(func.length(spans.c.times)))


async def _measure_layout(folder: Path, sample: Sequence[Arrival]) -> float:
    folder.mkdir()
    store = Store.open("", str(folder))
    began = time.perf_counter()
    for start in range(0, len(sample), BATCH):
        await store.store(sample[start : start + BATCH])
    rate = len(sample) / (time.perf_counter() - began)
    await store.close()
    return rate


def _measure_naive(path: Path, sample: Sequence[Arrival]) -> float:
    """A row for each package of each report, found by name and by report, as it is first thought of."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"pragma {pragma}")
        connection.execute("create table reports (id integer primary key, host text, site text, made integer)")
        connection.execute("create table installed (report integer, kind text, name text, version text, arch text)")
        connection.execute("create index installed_by_report on installed (report)")
        connection.execute("create index installed_by_name on installed (name, version)")
        began = time.perf_counter()
        for start in range(0, len(sample), BATCH):
            connection.execute("begin")
            for number, arrival in enumerate(sample[start : start + BATCH], start):
                report = arrival.report
                connection.execute(
                    "insert into reports values (?, ?, ?, ?)", (number, report.host, report.site, report.made)
                )
                rows = [(number, *package[:4]) for package in report.packages]
                connection.executemany("insert into installed values (?, ?, ?, ?, ?)", rows)
            connection.execute("commit")
        return len(sample) / (time.perf_counter() - began)


async def store_fleet(folder: Path, fleet: Fleet) -> tuple[int, int, float, tuple[int, int]]:
    """The number of reports, bytes of the database, seconds, and the numbers of sets and spans."""
    folder.mkdir(exist_ok=True)
    store = Store.open("", str(folder))
    reports, began = 0, time.perf_counter()
    for day in range(fleet.days):
        arrivals = fleet.list_day(day)
        while batch := list(itertools.islice(arrivals, 2 * BATCH)):
            await store.store(batch)
            reports += len(batch)
    took_s = time.perf_counter() - began

    counts = await store.read(
        lambda connection: tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (sets, spans)
        )
    )
    await store.close()
    return reports, sum(entry.stat().st_size for entry in os.scandir(folder)), took_s, (counts[0], counts[1])


def make_identity(folder: Path) -> tuple[x509.Certificate, str]:
    """A certificate, and the file of it and its key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=365))
    certificate = builder.sign(key, hashes.SHA256())
    path = folder / "collector.pem"
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return certificate, str(path)


def main() -> int:
    """Measure storing alone; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.inventory_store", description=__doc__)
    parser.add_argument("--hosts", type=int, default=HOSTS, help="of the fleet; default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hl-bench-") as name:
        storing = measure_storing(Path(name), arguments.hosts)
    targets = build_store_targets(storing)
    print(build_table(("target", "measured", "must", "aim", ""), (target.row for target in targets)))
    print(build_table(("storing", ""), build_store_rows(storing)))
    return 0 if all(target.is_met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
