"""Asking: questions to a collector that holds the simulated fleet, and its start page, over HTTP."""

import argparse
import asyncio
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.inventory_fleet import DAY_S, START, Fleet
from bench.inventory_store import store_fleet
from bench.report import Target, build_table
from bench.server import HEADLESS
from headless.inventory.dates import build_date

__all__ = ["Asking", "build_question_rows", "build_question_targets", "measure_asking"]

ROUNDS = 5
BATCH = 500
LIMIT_S = 300


@dataclass(frozen=True)
class Asking:
    """What was measured, in seconds.

    Attributes:
        first: of a question that a collector was asked first of all.
        then: the median of the times when it was asked again, in other words.
        page_first: the start page, as a new collector's first answer; ``page`` the median of later ones.
        rows: for each question, the rows of its first page.
    """

    first: Mapping[str, float]
    then: Mapping[str, float]
    rows: Mapping[str, int]
    page_first: float
    page: float


def measure_asking(state: Path, fleet: Fleet) -> Asking:
    """Ask.

    Args:
        state: folder of a collector that holds the fleet.
        fleet: that it holds.
    """
    sites, packages = _name_some(fleet)
    at = build_date(START + (fleet.days - 1) * DAY_S - DAY_S // 2)
    asked: dict[str, list[dict[str, str]]] = {
        "who-has, at a past date": [{"requirement": f"{name}>=0", "at": at} for name in packages],
        "diff of two sites": [{"a": f"site:{a}@{at}", "b": f"site:{b}@{at}"} for a, b in itertools.pairwise(sites)],
        "census": [{"package": name, "at": at} for name in packages],
        "packages": [{"at": at, "limit": "100"}] * 3,
        "drift": [{"site": site, "at": at} for site in sites],
        "silent": [{}] * 3,
    }
    paths = {name: [_build_path(name, given) for given in some] for name, some in asked.items()}
    paths[PACKAGE] = [f"/package/{name}" for name in packages]
    paths[SEARCH] = [f"/search?q={text}" for text in ("node0", "node0001.site1", "package-01", "site", "nobody")]
    first: dict[str, float] = {}
    then: dict[str, float] = {}
    rows: dict[str, int] = {}
    for name, some in paths.items():
        with _run_collector(state) as (port, token):
            answers = [_get(port, token, path) for path in some[: ROUNDS + 1]]
            rows[name] = sum(map(answers[0][1].count, ROWS))
            first[name], then[name] = answers[0][0], statistics.median(took_s for took_s, _ in answers[1:])
            if name == "packages":
                further = _read_further(port, token, some[0], answers[0][1])
                rows[FURTHER], first[FURTHER], then[FURTHER] = rows[name], further[0], statistics.median(further[1:])
    with _run_collector(state) as (port, token):
        page_first, _ = _get(port, token, "/")
        while b"<tbody>" not in _get(port, token, "/")[1]:
            time.sleep(0.2)
        page = statistics.median(_get(port, token, "/")[0] for _ in range(ROUNDS))
    return Asking(first, then, rows, page_first, page)


def build_question_targets(asking: Asking) -> list[Target]:
    """What must be reached."""
    return [
        Target("who-has at a past date, a new collector's first question", asking.first[WHO_HAS], 2, None, "s"),
        Target("diff of two sites, a new collector's first question", asking.first[DIFF], 1, None, "s"),
        Target("the page of a package with its plot, later ones", asking.then[PACKAGE], 1, None, "s"),
        Target("the search box, a new collector's first answer", asking.first[SEARCH], 0.2, None, "s"),
        Target("the web page's first answer of a new collector", asking.page_first, 0.2, None, "s"),
        Target("the web page, once it has counted", asking.page, 0.2, None, "s"),
    ]


WHO_HAS, DIFF = "who-has, at a past date", "diff of two sites"
FURTHER = "packages, further pages"
PACKAGE, SEARCH = "the page of a package, with its plot", "the search box"
ROWS = (b'"kind":', b'"set":', b'"missed":', b"<tr><td>", b"<li>")
"""What each row has, of whatever question."""


def build_question_rows(asking: Asking) -> list[tuple[str, ...]]:
    """The figures beside the targets."""
    return [
        (name, f"{asking.rows[name]:,}", f"{asking.first[name] * 1000:,.0f}", f"{asking.then[name] * 1000:,.0f}")
        for name in asking.first
    ]


def _name_some(fleet: Fleet) -> tuple[list[str], list[str]]:
    """Some sites, and some packages that many hosts have."""
    reports = [arrival.report for arrival in itertools.islice(fleet.list_day(0), 4 * ROUNDS)]
    sites = list(dict.fromkeys(report.site for report in reports))[: ROUNDS + 2]
    return sites, [package.name for package in reports[0].packages[10 : 12 + ROUNDS]]


def _build_path(name: str, given: Mapping[str, str]) -> str:
    question = name.partition(",")[0].partition(" ")[0]
    return f"/api/v1/{question}?{urlencode(given)}"


def _read_further(port: int, token: str, path: str, body: bytes) -> list[float]:
    """The times that further pages take."""
    times = []
    for _ in range(ROUNDS):
        after = urlencode({"after": json.loads(body)["next"]})
        took_s, body = _get(port, token, f"{path}&{after}")
        times.append(took_s)
    return times


@contextmanager
def _run_collector(state: Path) -> Iterator[tuple[int, str]]:
    """A collector's port, and a token that may see all."""
    environment = {"HOME": str(state), "PATH": os.defpath}
    options = ["--state", str(state)]
    remove = [HEADLESS, "inventory", "token", "remove", "bench", *options]
    add = [HEADLESS, "inventory", "token", "add", "bench", "--site", "*", *options]
    subprocess.run(remove, env=environment, check=False, stderr=subprocess.DEVNULL)
    token = subprocess.run(add, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    read, write = os.pipe()
    serve = [HEADLESS, "inventory", "serve", *options, "--listen", "127.0.0.1:0", "--ready-fd", str(write)]
    with subprocess.Popen(serve, env=environment, pass_fds=(write,), stderr=subprocess.DEVNULL) as process:
        os.close(write)
        with os.fdopen(read) as pipe:
            address = pipe.readline()
        try:
            yield int(address.rpartition(":")[2]), token
        finally:
            process.terminate()


def _get(port: int, token: str, path: str) -> tuple[float, bytes]:
    began = time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return time.perf_counter() - began, body


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure asking alone; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.inventory_questions", description=__doc__)
    parser.add_argument("--hosts", type=int, default=500_000, help="of the fleet; default: %(default)s")
    parser.add_argument("--state", default="", help="of a collector that holds it already")
    given = parser.parse_args(arguments)
    fleet = Fleet(given.hosts)
    with tempfile.TemporaryDirectory(prefix="hl-bench-") as name:
        state = Path(given.state or name)
        if not (state / "inventory.db").exists():
            asyncio.run(store_fleet(state, fleet))
        asking = measure_asking(state, fleet)
    targets = build_question_targets(asking)
    print(build_table(("target", "measured", "must", "aim", ""), (target.row for target in targets)))
    print(build_table(("a question", "rows", "first, ms", "then, ms"), build_question_rows(asking)))
    return 0 if all(target.is_met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
