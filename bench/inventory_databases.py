"""Storing in each of the databases that a collector may use, the same reports in one run; servers of our own."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.inventory_fleet import Fleet
from bench.inventory_store import measure_sealed
from bench.report import Target, build_table

__all__ = ["HEAD", "Databases", "build_database_rows", "build_database_targets", "measure_databases"]

SAMPLE, SITES = 2_000, 6  # reports, and sites of those: as many of a site as in the sample of SQLite alone
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
HEAD = ("storing, reports a second", *NAMES.values())
TESTS = Path(__file__).resolve().parent.parent / "tests"


@dataclass(frozen=True)
class Databases:
    """What was measured: for each database, sealed reports a second, and those of hosts that are all different."""

    rates: Mapping[str, float]
    new_rates: Mapping[str, float]
    replayed: int


def measure_databases(folder: Path) -> Databases:
    """Measure all."""
    folder.mkdir(parents=True)
    rates: dict[str, float] = {}
    new_rates: dict[str, float] = {}
    replayed = 0
    for kind in NAMES:
        for name, drifted, found in (("usual", None, rates), ("new", 1, new_rates)):
            fleet = Fleet(SAMPLE, SITES) if drifted is None else Fleet(SAMPLE, SITES, drifted=drifted)
            sample = list(fleet.list_day(0))
            with _run_database(kind) as url:
                _, found[kind], more = asyncio.run(measure_sealed(folder / f"{kind}-{name}", sample, url))
            replayed += more
    return Databases(rates, new_rates, replayed)


def build_database_targets(databases: Databases) -> list[Target]:
    """What must be reached: the whole fleet within an hour, twice over."""
    return [
        Target(f"sealed reports stored in {NAMES[kind]}: a second", databases.rates[kind], 300, None, "", True)
        for kind in ("postgresql", "mariadb")
    ]


def build_database_rows(databases: Databases) -> list[tuple[str, ...]]:
    """The figures, the databases beside each other."""
    return [
        ("sealed reports opened, checked, stored", *(f"{databases.rates[kind]:,.0f}" for kind in NAMES)),
        ("the same, each with a list of its own", *(f"{databases.new_rates[kind]:,.0f}" for kind in NAMES)),
    ]


@contextmanager
def _run_database(kind: str) -> Iterator[str]:
    """The URL of a new database, whose server syncs what it commits, while the block runs; empty for SQLite."""
    if kind == "sqlite":
        yield ""
        return
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    from mariadb import run_mariadb
    from postgres import run_postgres

    if kind == "mariadb":
        with run_mariadb() as mariadb:
            yield mariadb.create_database("inventory")
        return
    with run_postgres() as postgres:
        postgres.stop()
        postgres.start("-c fsync=on")
        yield postgres.create_database("inventory")


def main() -> int:
    """Measure this alone; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.inventory_databases", description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hl-bench-") as name:
        databases = measure_databases(Path(name) / "databases")
    targets = build_database_targets(databases)
    print(build_table(("target", "measured", "must", "aim", ""), (target.row for target in targets)))
    print(build_table(HEAD, build_database_rows(databases)))
    return 0 if all(target.is_met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
