"""A host that could not read its packages has not lost them: no answer may tell of a removal that was none."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from headless.inventory.ask.answers import answer
from headless.inventory.ask.history import find_newest
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.collect.arrival import build_arrival
from headless.inventory.collect.sizes import Sizes
from headless.inventory.collect.store import Store
from headless.inventory.package import Package
from headless.inventory.report import Missing, Report

ALL = Scope("all", None, False)
LIBS = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(5))
NEWER = Package("rpm", "lib0", "0:2-1", "x86_64")
PYTHON = Package("python", "module", "1")
LOCKED = (Missing("rpm", "the database is locked"),)
# When, which packages, what could not be read.
REPORTS: Sequence[tuple[int, tuple[Package, ...], tuple[Missing, ...]]] = [
    (100, (*LIBS, PYTHON), ()),
    (200, (PYTHON,), LOCKED),
    (300, (Package("python", "module", "2"),), LOCKED),
    (400, (NEWER, *LIBS[2:], PYTHON), ()),
    (500, (NEWER, *LIBS[2:]), (Missing("python", "this format cannot tell them"),)),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two hosts: one that could not read its packages for a while, and one that never could at first.

    And with two sites, at one of which most hosts cannot.
    """
    state = tmp_path_factory.mktemp("state")

    async def fill() -> None:
        store = Store.open("", str(state))
        reports = [Report(host="a", packages=some, made=made, missing=gaps) for made, some, gaps in REPORTS]
        reports.append(Report(host="never", packages=(PYTHON,), made=100, missing=LOCKED))
        reports.append(Report(host="never", packages=(*LIBS, PYTHON), made=400))
        for site, sick in (("S", 1), ("T", 3)):
            reports += [Report(host=f"well{number}", site=site, packages=LIBS, made=600) for number in range(2)]
            some = [f"sick{number}" for number in range(sick)]
            reports += [Report(host=host, site=site, packages=(), missing=LOCKED, made=600) for host in some]
        reports.append(Report(host="bare", site="T", packages=(), missing=(Missing("dpkg", "cut short"),), made=600))
        turns = Report(host="turns", packages=LIBS)
        for made in range(1000, 1015):
            kernel, packages = "6.2" if made > 1012 else "", LIBS[:4] if made == 1010 else LIBS
            reports.append(replace(turns, made=made, interval=made % 2 * 86400, packages=packages, kernel=kernel))
        await store.store([build_arrival(report, 2000) for report in reports])
        await store.close()

    asyncio.run(fill())
    return state


def look(state: Path, find: Callable[[View], Any]) -> Any:
    """What a page's function finds."""

    async def work() -> Any:
        store = Store.open("", str(state))
        try:
            return await store.read(lambda connection: find(View(connection, ALL, Memory(), 2000)))
        finally:
            await store.close()

    return asyncio.run(work())


def ask(state: Path, question: str, page: Page | None = None, **parameters: Any) -> Answer:
    """An answer."""

    async def work() -> Answer:
        store = Store.open("", str(state))
        try:
            return await store.read(
                lambda connection: answer(
                    question, parameters, page or Page(100), connection=connection, scope=ALL, memory=Memory()
                )
            )
        finally:
            await store.close()

    return asyncio.run(work())


def test_history_tells_of_no_removal_that_was_none(state: Path) -> None:
    told = [
        (0, 0, 0, []),
        (0, 0, 0, ["? rpm was not read: the database is locked"]),
        (0, 0, 1, ["module 1 -> 2"]),
        (0, 1, 2, ["module 2 -> 1", "lib0.x86_64 0:1-1 -> 0:2-1", "- lib1.x86_64 0:1-1"]),
        (0, 0, 0, ["? python was not read: this format cannot tell them"]),
    ]
    rows = ask(state, "history", host="a").rows
    assert [tuple(row[3:7]) for row in rows] == told
    assert [row[2] for row in rows] == [6, 1, 1, 5, 4]


def test_neighbours_that_say_the_same_are_one_row_whatever_their_interval(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headless.inventory.ask.history.CHUNK", 4)
    rows = ask(state, "history", host="turns").rows
    assert [(row[0], row[1], row[2], tuple(row[3:6])) for row in rows] == [
        (1000, 1009, 5, (0, 0, 0)),
        (1010, 1010, 4, (0, 1, 0)),
        (1011, 1012, 5, (1, 0, 0)),
        (1013, 1014, 5, (0, 0, 0)),
    ]
    assert [row[8] for row in rows] == ["", "", "", "6.2"]
    for limit in (1, 2, 3):
        paged, page = [], Page(limit)
        while page.limit:
            found = ask(state, "history", page, host="turns")
            paged += found.rows
            page = Page(limit if found.next else 0, found.next)
        assert paged == rows


def test_the_newest_of_a_history_are_the_same_rows(state: Path) -> None:
    rows = ask(state, "history", host="turns").rows
    found, before = look(state, lambda view: find_newest(view, "turns", 2000, 2))
    assert (found.rows, before) == (rows[2:], 1011)
    found, before = look(state, lambda view: find_newest(view, "turns", before, 2))
    assert (found.rows, before) == (rows[:2], 0)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_history_tells_the_same_page_by_page(state: Path, limit: int) -> None:
    rows, page = [], Page(limit)
    while True:
        found = ask(state, "history", page, host="a")
        rows += found.rows
        if not found.next:
            break
        page = Page(limit, found.next)
    assert rows == ask(state, "history", host="a").rows


def test_what_is_read_for_the_first_time_was_not_added(state: Path) -> None:
    told = [(0, 0, 0, ["? rpm was not read: the database is locked"]), (0, 0, 0, [])]
    assert [tuple(row[3:7]) for row in ask(state, "history", host="never").rows] == told


def test_drift_calls_nothing_removed_that_was_not_read(state: Path) -> None:
    found = ask(state, "drift", site="S", at=700)
    assert [tuple(row[1:7]) for row in found.rows] == [
        (2, 5, 0, 0, 0, []),
        (1, 0, 0, 0, 0, ["? rpm was not read"]),
    ]
    assert found.notes == ("1 of 3 hosts could not read rpm: what it has of it is not known",)


def test_drift_calls_nothing_added_that_the_largest_group_did_not_read(state: Path) -> None:
    # An empty list is that of four hosts of this site: three could not read rpm, one could not read dpkg.
    found = ask(state, "drift", site="T", at=700)
    partly = ["? dpkg was not read by 1 of 4", "? rpm was not read by 3 of 4"]
    assert [tuple(row[1:7]) for row in found.rows] == [
        (4, 0, 0, 0, 0, partly),
        (
            2,
            5,
            5,
            0,
            0,
            ["? rpm was not read by 3 of 4 of the largest", *(f"+ {one.name}.x86_64 0:1-1" for one in LIBS)],
        ),
    ]


def test_every_answer_says_who_could_not_read_its_packages(state: Path) -> None:
    said = ("1 of 3 hosts could not read rpm: what it has of it is not known",)
    hosts = ask(state, "hosts", site="S", at=700)
    assert hosts.notes == said
    assert [(row[1], row[6], row[-1]) for row in hosts.rows] == [
        ("sick0", 0, ["rpm"]), ("well0", 5, None), ("well1", 5, None),
    ]  # fmt: skip
    assert ask(state, "packages", site="S", at=700).notes == said
    assert ask(state, "packages", site="S", at=700, kind="rpm").notes == said
    assert ask(state, "packages", site="S", at=700, kind="python").notes[0].startswith("no host of 'S'")
    assert ask(state, "census", package="lib0", site="S", at=700).notes == said
    assert ask(state, "show", host="S/sick0", at=700).notes == ("sick0 could not read rpm: the database is locked",)
    assert ask(state, "show", host="S/well0", at=700).notes == ()
    # Python's are never in the text format: that is not told unasked.
    assert ask(state, "show", host="a", at=700).notes == ()
    assert ask(state, "hosts", site="", at=700).notes == ()


def test_diff_does_not_compare_what_one_side_has_not_read(state: Path) -> None:
    found = ask(state, "diff", a="a@1970-01-01T00:01:40Z", b="a@1970-01-01T00:05:00Z")
    assert [row[1] for row in found.rows] == ["module"]
    assert found.summary == {"hosts_a": 1, "hosts_b": 1, "unread_b": {"rpm": 1}}


def test_who_has_tells_how_many_could_not_know(state: Path) -> None:
    assert ask(state, "who-has", requirement="lib1", at=250).summary == {"hosts": 0, "unread": 2}
    assert ask(state, "who-has", requirement="lib1", at=450).summary == {"hosts": 1}


def test_what_is_never_read_costs_no_statement_for_each_report_of_before(tmp_path: Path) -> None:
    """The text format of all hosts tells no Python distributions, for ever."""
    unread = (Missing("python", "this format cannot tell them"),)
    reports = [
        Report(host="a", packages=(*LIBS, Package("rpm", "app", str(made), "")), made=made, missing=unread)
        for made in range(1, 40)
    ]
    said: list[str] = []

    async def work() -> None:
        store = Store.open("", str(tmp_path))
        arrivals = [build_arrival(report, 1000) for report in reports]
        await store.store(arrivals[:-1])

        def read(connection: Connection) -> Any:
            event.listen(connection, "before_cursor_execute", lambda *given: said.append(given[2]))
            return Sizes().read(connection, arrivals[-1:], 1)

        [latest] = (await store.read(read)).values()
        assert latest.kinds == {"rpm": 6}
        await store.close()

    asyncio.run(work())
    assert len(said) < 10
