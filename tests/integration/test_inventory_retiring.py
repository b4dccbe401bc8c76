"""Hosts that are no more, and names that pass from one machine to the next, in real databases."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, select, update

from headless.database.backends import build_engine, check_url
from headless.errors import ParameterError
from headless.inventory.ask.answers import answer
from headless.inventory.ask.history import ask_history, find_newest
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.names import find_names
from headless.inventory.ask.overview import build_overview
from headless.inventory.ask.page import Page
from headless.inventory.ask.retiring import Order, carry_out
from headless.inventory.ask.versions_over_time import follow_versions
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.collect.arrival import Arrival
from headless.inventory.collect.schema import retirements, version
from headless.inventory.collect.store import Store
from headless.inventory.dates import LATEST
from headless.inventory.questions import QUESTIONS
from headless.inventory.selector import Selector
from inventory_support import DAY, NOW, make_arrival
from mariadb import run_mariadb
from postgres import run_postgres

ALL = Scope("all", None, False)
OLD, NEW = "1" * 32, "2" * 32


class Inventory:
    """An open store, asked and told."""

    def __init__(self, url: str, state: Path, runner: asyncio.Runner) -> None:
        self._where = (url, str(state))
        self._runner = runner
        self._store: Store
        self.open()

    def open(self) -> None:
        async def call() -> Store:
            return Store.open(*self._where)

        self._store = self._runner.run(call())

    def build_engine(self) -> Engine:
        """Its database's, past the store."""
        url, state = self._where
        return build_engine(
            check_url(url, "inventory", Store.schema.backends) if url else make_url(f"sqlite:///{state}/inventory.db")
        )

    def close(self) -> None:
        self._runner.run(self._store.close())

    def run(self, function: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
        return self._runner.run(function(self._store))

    def write(self, function: Callable[[Any], Any]) -> Any:
        return self.run(lambda store: store.write(function))

    def take(self, *arrivals: Arrival) -> None:
        self.run(lambda store: store.store(arrivals))

    def retire(self, *names: str, at: int = 0, now: int = NOW, is_undone: bool = False) -> list[str]:
        return self.carry_out(Order(names, now, at, is_undone), now)

    def carry_out(self, order: Order, now: int) -> list[str]:
        lines: list[str] = self.write(lambda connection: carry_out(connection, order, now))
        return lines

    def ask(self, question: str, *, at: int = NOW, scope: Scope = ALL, **parameters: Any) -> list[dict[str, Any]]:
        names = [column.name for column in QUESTIONS[question].columns]
        given = {"at": at, **parameters}
        found = self.view(
            lambda view: answer(question, given, Page(100), connection=view.connection, scope=scope, memory=view.memory)
        )
        return [dict(zip(names, row, strict=True)) for row in found.rows]

    def view(self, function: Callable[[View], Any], at: int = NOW) -> Any:
        return self.run(lambda store: store.read(lambda connection: function(View(connection, ALL, Memory(), at))))

    def list_names(self, at: int = NOW, **parameters: Any) -> list[str]:
        return [row["host"].partition(".")[0] for row in self.ask("hosts", at=at, **parameters)]


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def create(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Gives the URL of an empty database, on a server of each kind in turn."""
    numbers = itertools.count()
    if request.param == "sqlite":
        yield lambda: ""
    else:
        run: Callable[[], Any] = run_mariadb if request.param == "mariadb" else run_postgres
        with run() as server:
            yield lambda: server.create_database(f"retiring{next(numbers)}")


@pytest.fixture
def inventory(create: Callable[[], str], tmp_path: Path) -> Iterator[Inventory]:
    with asyncio.Runner() as runner, closing(Inventory(create(), tmp_path, runner)) as inventory:
        yield inventory


def test_a_retired_host_is_no_more_but_its_past_is(inventory: Inventory) -> None:
    inventory.take(*(make_arrival("1", NOW - days * DAY, host=f"{name}.x") for name in "ab" for days in (9, 8)))
    [line] = inventory.retire("a", at=NOW - 3 * DAY)
    assert line.startswith("SITE/a.x#") and ": retired at 2027-01-12T08:00:00Z, last report 2027-01-07" in line
    assert inventory.list_names() == inventory.list_names(NOW - 3 * DAY) == ["b"]
    assert inventory.list_names(NOW - 3 * DAY - 1) == inventory.list_names(NOW - 8 * DAY) == ["a", "b"]
    [row] = inventory.ask("hosts", retired=True)
    assert (row["host"], row["retired"]) == ("a.x", NOW - 3 * DAY)
    assert inventory.list_names(retired=True, at=NOW - 4 * DAY) == []
    asked: dict[str, dict[str, Any]] = {"silent": {}, "who-has": {"requirement": "app"}}
    for question, given in asked.items():
        assert [row["host"] for row in inventory.ask(question, **given)] == ["b.x"]
    assert {row["hosts"] for row in inventory.ask("packages")} == {1}
    assert inventory.ask("drift", site="SITE")[0]["hosts"] == inventory.ask("census", package="app")[0]["hosts"] == 1
    [glance] = inventory.view(lambda view: build_overview(view, []))
    assert (glance.hosts, glance.silent) == (1, 1)
    assert [name for _, name, _ in inventory.view(lambda view: find_names(view, "a")).hosts] == []
    with pytest.raises(ParameterError, match=r"'a' is retired, since 2027-01-12T08:00:00Z: ask for an earlier time"):
        inventory.ask("show", host="a")
    assert inventory.ask("show", host="a", at=NOW - 4 * DAY)
    assert [row["retired"] for row in inventory.ask("history", host="a")] == [NOW - 3 * DAY]


def test_a_page_of_a_history_tells_of_its_own_retirements_alone(inventory: Inventory) -> None:
    inventory.take(*(make_arrival(str(number), NOW + (number - 9) * DAY, host="a") for number in range(1, 5)))
    inventory.retire("a")

    def read_forwards(view: View) -> list[Any]:
        first = ask_history(view, {"host": "a"}, Page(3))
        return [row[-1] for page in (first, ask_history(view, {"host": "a"}, Page(3, first.next))) for row in page.rows]

    def read_backwards(view: View) -> list[Any]:
        newest, before = find_newest(view, "a", LATEST, 3)
        oldest, _ = find_newest(view, "a", before, 3)
        return [row[-1] for page in (oldest, newest) for row in page.rows]

    assert inventory.view(read_forwards) == inventory.view(read_backwards) == [None, None, None, NOW]


@pytest.mark.parametrize(("interval", "late"), [(0, 129_600), (3, 5), (3600, 5400), (7 * DAY, 907_200)])
def test_a_host_is_silent_on_the_first_page_when_it_is_on_request(
    inventory: Inventory, interval: int, late: int
) -> None:
    inventory.take(make_arrival("1", NOW - late, host="a", interval=interval), make_arrival("1", NOW, host="b"))
    for at, silent in ((NOW, []), (NOW + 1, ["a"])):
        assert [row["host"] for row in inventory.ask("silent", at=at)] == silent
        [glance] = inventory.view(lambda view: build_overview(view, []), at=at)
        assert glance.silent == len(silent)


def test_a_report_brings_a_host_back_whenever_it_comes(inventory: Inventory) -> None:
    for host, order in (("a", (2, 1)), ("b", (1, 2))):
        inventory.take(make_arrival("1", NOW - 9 * DAY, host=host))
        inventory.retire(host, at=NOW - 3 * DAY)
        inventory.take(make_arrival("2", NOW - 4 * DAY, host=host))  # late, and from before
        assert host not in inventory.list_names()
        for days in order:
            inventory.take(make_arrival("1", NOW - days * DAY, host=host))
        times = (4 * DAY, 3 * DAY, 2 * DAY + 1, 2 * DAY, 0)
        assert [host in inventory.list_names(NOW - at) for at in times] == [True, False, False, True, True]
        assert [row["retired"] for row in inventory.ask("history", host=host)] == [None, NOW - 3 * DAY, None]


def test_it_is_undone_and_done_again(inventory: Inventory) -> None:
    inventory.take(make_arrival("1", NOW - 9 * DAY))
    assert "SITE/node1.example.org#" in inventory.retire("node1")[0]
    assert "retired already, at 2027-01-15T08:00:00Z" in inventory.retire("node1", now=NOW + 5)[0]
    assert inventory.list_names(NOW + 5) == []
    assert inventory.retire("node1", is_undone=True)[0].endswith(": no longer retired")
    assert inventory.retire("node1", is_undone=True)[0].endswith(": not retired")
    assert inventory.list_names() == ["node1"]
    inventory.retire("node1", at=NOW - DAY)
    inventory.take(make_arrival("1", NOW - DAY // 2))
    inventory.retire("node1")
    assert [bool(inventory.list_names(at)) for at in (NOW - DAY, NOW - 60, NOW)] == [False, True, False]
    [row] = inventory.ask("history", host="node1")
    assert row["retired"] == NOW


def test_a_host_that_reported_this_very_second_is_retired_once(inventory: Inventory) -> None:
    inventory.take(make_arrival("1", NOW))
    first, second = inventory.retire("node1", "node1")
    assert "retired at 2027-01-15T08:00:01Z" in first and "retired already, at 2027-01-15T08:00:01Z" in second
    assert inventory.list_names() == ["node1"] and inventory.list_names(NOW + 1) == []
    assert inventory.retire("node1", is_undone=True)[0].endswith(": no longer retired")
    assert inventory.list_names(NOW + 1) == ["node1"]


def test_an_order_done_again_after_a_kill_does_not_retire_who_has_come_back(inventory: Inventory) -> None:
    inventory.take(make_arrival("1", NOW - DAY))
    order = Order(("node1",), NOW)
    assert "retired at" in inventory.carry_out(order, NOW)[0]
    inventory.take(make_arrival("1", NOW + 60, received=NOW + 60))
    with pytest.raises(ParameterError, match="has reported at"):
        inventory.carry_out(order, NOW + DAY)
    assert inventory.list_names(NOW + DAY) == ["node1"]


def test_all_are_retired_or_none(inventory: Inventory) -> None:
    inventory.take(*(make_arrival("1", NOW - DAY, host=name) for name in "ab"))
    for names, at, said in (
        (("a", "c"), 0, "there is no host 'c'"), (("a", "b"), NOW - DAY, "has reported at 2027-01-14T08:00:00Z"),
        (("a",), NOW + 1, "yet to come"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            inventory.retire(*names, at=at)
        assert inventory.list_names(NOW + 1) == ["a", "b"]
    assert len(inventory.retire("a", "b")) == 2 and inventory.list_names() == []


def test_a_host_that_was_installed_anew_has_its_name(inventory: Inventory) -> None:
    days = [(OLD, 9), (OLD, 6), (NEW, 5), (NEW, 1)]
    inventory.take(*(make_arrival(machine[0], NOW - day * DAY, machine=machine) for machine, day in days))

    def find(at: int = NOW) -> set[str]:
        return {row["version"] for row in inventory.ask("show", host="node1", at=at) if row["name"] == "app"}

    assert find() == find(NOW - 5 * DAY) == {"0:2-1.el9"}
    assert find(NOW - 5 * DAY - 1) == {"0:1-1.el9"}
    assert [row["first"] for row in inventory.ask("history", host="node1")] == [NOW - 5 * DAY]
    with pytest.raises(ParameterError, match="the name of 2 machines") as error:
        inventory.retire("node1")
    new, old = (part.partition(" ")[0] for part in str(error.value).partition("say which of ")[2].split(", "))
    assert old.startswith("SITE/node1.example.org#") and f"{old} (last report 2027-01-09T08:00:00Z)" in str(error.value)
    assert inventory.list_names() == ["node1", "node1"]
    inventory.retire(new)
    assert find() == {"0:1-1.el9"}
    inventory.retire(new, is_undone=True)
    assert inventory.retire(old)[0].startswith(f"{old}: retired")
    assert find() == {"0:2-1.el9"} and inventory.list_names() == ["node1"]
    inventory.retire(new)
    with pytest.raises(ParameterError, match="the name of 2 machines"):
        inventory.retire("node1", is_undone=True)


def test_two_that_report_in_turns_stay_two(inventory: Inventory) -> None:
    turns = [(OLD, 9), (NEW, 8), (OLD, 7), (NEW, 6)]
    inventory.take(*(make_arrival(machine[0], NOW - day * DAY, machine=machine) for machine, day in turns))
    for days in (7, 6, 0):
        with pytest.raises(ParameterError, match=r"is the name of 2 hosts: say which of SITE/node1\.example\.org#"):
            inventory.ask("show", host="node1", at=NOW - days * DAY)
    # Until the old one had spoken again, nobody could know.
    assert inventory.ask("show", host="node1", at=NOW - 7 * DAY - 1)
    inventory.take(make_arrival("3", NOW - 5 * DAY, machine="3" * 32))
    assert len(inventory.ask("history", host="node1")) == 1  # both are replaced by a third
    with pytest.raises(ParameterError, match="2 hosts"):
        inventory.take(make_arrival("3", NOW - 5 * DAY, machine="3" * 32, site="OTHER"))
        inventory.ask("show", host="node1")


def test_the_course_of_a_package_ends_with_its_hosts(inventory: Inventory) -> None:
    inventory.take(*(make_arrival("1", NOW - 20 * DAY, host=name) for name in "ab"))
    inventory.retire("a", at=NOW - 10 * DAY)
    inventory.take(make_arrival("1", NOW - 5 * DAY, host="a"))
    inventory.retire("b", at=NOW - 3 * DAY)
    course = inventory.view(lambda view: follow_versions(view, Selector("app"), 30))
    counts = [count for count, _ in itertools.groupby(course.versions["0:1-1.el9"])]
    assert counts == [0, 2, 1, 2, 1]


def test_an_inventory_of_the_first_version_is_brought_up_to_date(inventory: Inventory) -> None:
    inventory.take(make_arrival("1", NOW - DAY))

    inventory.close()
    engine = inventory.build_engine()
    with engine.begin() as connection:
        retirements.drop(connection)
        connection.execute(update(version).values(version=1))
    engine.dispose()
    inventory.open()
    assert inventory.list_names() == ["node1"]
    assert inventory.retire("node1") and inventory.list_names() == []
    found = inventory.run(lambda store: store.read(lambda connection: connection.execute(select(version)).all()))
    assert found == [(3,)]
