"""Questions at their edges: names that are hard to name, keys that were forged, reports that come between two pages."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from headless.errors import ParameterError
from headless.inventory.advisories import Advisories, Affected, Event
from headless.inventory.ask.answers import answer
from headless.inventory.ask.marks import Marks
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.names import Names, find_names
from headless.inventory.ask.page import Answer, Page, build_key, parse_key
from headless.inventory.ask.results import Results
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.collect.arrival import build_arrival
from headless.inventory.collect.store import Store
from headless.inventory.questions import QUESTIONS
from inventory_support import make_report

NOW = 1_790_000_000
ALL = Scope("all", None, False)
KEYS: tuple[tuple[Any, ...], ...] = (
    (-(1 << 61),), (1 << 61,), (NOW, "SITE", "\ud800", 1), (NOW, "", "", -(1 << 61)), (NOW, 1, 2, 3), (0, 0),
)  # fmt: skip

Result = TypeVar("Result")


class Asked:
    """An empty store, filled and asked by a test."""

    def __init__(self, state: Path, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._store = runner.run(_open(str(state)))
        self.memory = Memory()

    def close(self) -> None:
        """Close the store."""
        self._runner.run(self._store.close())

    def add(self, host: str, version: str = "1", *, site: str = "SITE", made: int = NOW, **fields: Any) -> None:
        """Store a report."""
        report = make_report(version, host=host, site=site, made=made, **fields)
        self._runner.run(self._store.store([build_arrival(report, NOW + 60)]))

    def ask(self, question: str, page: Page = Page(1000), marks: Any = None, **parameters: Any) -> Answer:  # noqa: B008  # a value
        """One page."""
        given = {"at": NOW, **parameters}
        return self.read(
            lambda connection: answer(
                question, given, page, connection=connection, scope=ALL, memory=self.memory, marks=marks
            )
        )

    def find(self, text: str) -> Names:
        """Search."""
        return self.read(lambda connection: find_names(View(connection, ALL, self.memory, NOW), text))

    def read(self, function: Callable[[Connection], Result]) -> Result:
        """Read from the store."""
        return self._runner.run(self._store.read(function))


async def _open(state: str) -> Store:
    return Store.open("", state)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    """A store."""
    with asyncio.Runner() as runner:
        asked = Asked(tmp_path, runner)
        yield asked
        asked.close()


def name_rows(question: str, found: Answer, name: str) -> list[Any]:
    """A column of an answer."""
    return [row[[column.name for column in QUESTIONS[question].columns].index(name)] for row in found.rows]


def test_whatever_a_host_and_its_site_are_called_its_number_names_it(asked: Asked) -> None:
    names = ("a#b", "a#7", "a/b", "a@b", "a:b", "a b", "a%2fb", "tag:x", "\xfc\u202e", "a'\"<", "#", "a.b#c.d")
    sites = ("SITE", "A/B", "A B", "/", "a#1", "a@2020-01-01", "")
    expected = sorted((site, name) for site in sites for name in names)
    for site, name in expected:
        asked.add(name, site=site)
    found = asked.ask("hosts")
    told = list(zip(*(name_rows("hosts", found, name) for name in ("site", "host", "id")), strict=True))
    assert sorted(pair[:2] for pair in told) == expected
    for site, name, number in told:
        for text in (f"{site}/{name}#{number}", f"{name}#{number}"):
            assert asked.ask("show", host=text).summary["id"] == number, text  # type: ignore[index]
    named = [f"{site}/{name}" for site, name, _ in told if name == "a@b"]
    for text in named:
        assert asked.ask("diff", a=text, b=f"{text}@2026-09-22").rows == []


def test_a_bare_name_means_the_host_that_has_no_domain(asked: Asked) -> None:
    asked.add("node1")
    asked.add("node1.example.org")
    assert asked.ask("show", host="node1").summary["host"] == "node1"  # type: ignore[index]
    assert asked.ask("show", host="node1.example.org").summary["host"] == "node1.example.org"  # type: ignore[index]
    asked.add("node1", site="OTHER")
    with pytest.raises(ParameterError, match="2 hosts: say which of OTHER/node1, SITE/node1"):
        asked.ask("show", host="node1")
    assert asked.ask("show", host="SITE/node1").summary["host"] == "node1"  # type: ignore[index]


def test_the_site_without_a_name_is_one_of_its_own(asked: Asked) -> None:
    asked.add("nameless", site="")
    asked.add("named")
    assert name_rows("hosts", asked.ask("hosts", site=""), "host") == ["nameless"]
    assert asked.ask("drift", site="").summary == {"groups": 1, "hosts": 1}
    assert asked.ask("drift", site="", at=0).summary == {"groups": 0, "hosts": 0}
    assert asked.ask("diff", a="site:", b="site:SITE").summary == {"hosts_a": 1, "hosts_b": 1}


def test_no_host_has_set_0(asked: Asked) -> None:
    asked.add("one")
    assert asked.ask("hosts", set=0).rows == []


@pytest.mark.parametrize("question", sorted(set(QUESTIONS) - {"conform"}))
def test_a_forged_key_is_refused_or_answered(asked: Asked, question: str) -> None:
    asked.add("one")
    needed: dict[str, str] = {
        "show": {"host": "one"}, "history": {"host": "one"}, "diff": {"a": "one", "b": "one"},
        "drift": {"site": "SITE"}, "census": {"package": "app"}, "who-has": {"requirement": "app"},
    }.get(question, {})  # fmt: skip
    for key in KEYS:
        with contextlib.suppress(ParameterError):
            asked.ask(question, Page(10, parse_key(build_key(key))), **needed)


@pytest.mark.parametrize("question", ["hosts", "who-has", "silent"])
def test_a_report_that_comes_between_two_pages_loses_no_host(asked: Asked, question: str) -> None:
    given: dict[str, dict[str, Any]] = {"who-has": {"requirement": "lib1"}, "silent": {"since": NOW + 1}}
    needed = given.get(question, {})
    names = [f"node{number}" for number in range(9)]
    for name in names:
        asked.add(name, made=NOW - 100)
    first = asked.ask(question, Page(3), **needed)
    asked.add("node5", "2", made=NOW - 10)  # made before the first page was asked for, and come after it
    asked.add("node7", made=NOW - 10, kernel="6.1")
    second = asked.ask(question, Page(100, first.next), **needed)
    assert name_rows(question, first, "host") + name_rows(question, second, "host") == names


def test_a_version_that_comes_between_two_pages_moves_no_other(asked: Asked) -> None:
    for number in (3, 5, 7, 8):
        asked.add(f"node{number}", str(number), made=NOW - 100)
    first = asked.ask("census", Page(2), package="app")
    for number in (1, 2, 4, 6):
        asked.add(f"node{number}", str(number), made=NOW - 10)
    asked.memory.results = Results()
    second = asked.ask("census", Page(100, first.next), package="app")
    versions = [
        version.partition("-")[0] for page in (first, second) for version in name_rows("census", page, "version")
    ]
    assert [version.rpartition(":")[2] for version in versions] == ["3", "5", "6", "7", "8"]


def test_drift_survives_a_report_that_comes_between_two_pages(asked: Asked) -> None:
    for number in range(4):
        asked.add(f"node{number}", str(number), made=NOW - 100)
    first = asked.ask("drift", Page(2), site="SITE")
    for number in range(4):
        asked.add(f"node{number}", "9", made=NOW - 10)
    second = asked.ask("drift", Page(2, first.next), site="SITE")
    assert len(first.rows) + len(second.rows) == 4


def test_search_finds_a_whole_name_among_many_that_begin_alike(asked: Asked) -> None:
    for number in range(60):
        asked.add(f"node1.site{number}.org", site=f"S{number}")
    assert [name for _, name, _ in asked.find("node1.site59").hosts] == ["node1.site59.org"]
    assert [name for _, name, _ in asked.find("NODE1.site5.").hosts] == ["node1.site5.org"]
    assert len(asked.find("node").hosts) == len(asked.find("node1.").hosts) == 50


def test_what_advisories_say_is_of_the_rows_that_are_there(asked: Asked, tmp_path: Path) -> None:
    """A database may come back as an older one, whose numbers are of others."""
    advisories = Advisories()
    events = (Event("introduced", "0"), Event("fixed", "0:2-1.el9"))
    advisories.add("AlmaLinux:9", "app", Affected("A-1", ranges=(events,)))
    marks = Marks(advisories)
    (tmp_path / "other").mkdir()
    with asyncio.Runner() as runner, contextlib.closing(Asked(tmp_path / "other", runner)) as other:
        for store, version, found in ((asked, "1", ["A-1"]), (other, "3", []), (asked, "1", ["A-1"])):
            store.add("node1", version, os_id="almalinux", os_version="9")
            assert name_rows("vulnerable", store.ask("vulnerable", marks=lambda: marks), "advisory") == found


def test_search_passes_over_a_site_that_has_come_since_its_sites_were_read(asked: Asked) -> None:
    asked.add("node1")
    asked.add("node2", site="NEW")

    def find(connection: Connection) -> Names:
        view = View(connection, ALL, asked.memory, NOW)
        vars(view)["sites"] = {number: name for number, name in view.sites.items() if name != "NEW"}
        return find_names(view, "node")

    assert [name for _, name, _ in asked.read(find).hosts] == ["node1"]
