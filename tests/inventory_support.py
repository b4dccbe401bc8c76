"""Reports made up for tests, and what a store holds, written out."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, select

from headless.inventory.collect.arrival import Arrival, build_arrival
from headless.inventory.collect.schema import hosts, sets, spans
from headless.inventory.collect.timeline import unpack_times
from headless.inventory.package import Package
from headless.inventory.reference import Reference, Shortfall, judge_host
from headless.inventory.report import Report
from headless.inventory.rule import HostFacts

DAY = 86400
NOW = 1_800_000_000

BASE = tuple(Package("rpm", f"lib{number}", f"0:1.{number}-1.el9", "x86_64") for number in range(20))


def make_report(version: str = "1", *, host: str = "node1.example.org", site: str = "SITE", **fields: Any) -> Report:
    """A report of a host that has a package ``app`` of some version, beside what all have."""
    package = Package("rpm", "app", f"0:{version}-1.el9", "x86_64")
    return Report(host=host, site=site, packages=(*BASE, package), **fields)


def judge(reference: Reference, host: HostFacts, packages: Iterable[Package], now: float) -> list[Shortfall]:
    """Judge a host by its packages."""
    return judge_host(reference, reference.find_faults(packages), host, now)


def make_arrival(version: str, made: int, *, received: int = NOW, **fields: Any) -> Arrival:
    """One that has come."""
    return build_arrival(make_report(version, made=made, **fields), received)


def read_history(connection: Connection) -> dict[tuple[Any, ...], list[tuple[tuple[int, ...], bytes]]]:
    """For each host, by name, site and machine: the times of each span's reports, and the hash of its set."""
    rows = connection.execute(
        select(hosts.c.name, hosts.c.site_id, hosts.c.machine, spans.c.first, spans.c.last, spans.c.times, sets.c.hash)
        .join(hosts, hosts.c.id == spans.c.host_id)
        .join(sets, sets.c.id == spans.c.set_id)
        .order_by(spans.c.host_id, spans.c.first)
    )
    found: dict[tuple[Any, ...], list[tuple[tuple[int, ...], bytes]]] = {}
    for name, site, machine, first, last, times, content in rows:
        found.setdefault((name, site, machine), []).append((unpack_times(first, last, times), content))
    return found


Reader = Callable[[Connection], Any]
