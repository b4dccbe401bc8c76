"""The inventory's store on real databases."""

import asyncio
import itertools
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from headless.database import backends, lock
from headless.database.backends import build_engine, check_url
from headless.database.lock import try_lock
from headless.inventory.collect.arrival import Arrival, Outcome
from headless.inventory.collect.schema import SCHEMA, hosts, packages, sets, spans
from headless.inventory.collect.states import select_states
from headless.inventory.collect.store import Store
from inventory_support import DAY, NOW, make_arrival, read_history
from mariadb import MariaDB, run_mariadb
from postgres import Postgres, run_postgres
from support import TIME_SCALE

Run = Callable[[Callable[[Store], Awaitable[Any]]], Any]


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], str]]:
    """Gives the URL of an empty database of a kind."""
    running: dict[str, Postgres | MariaDB] = {}
    numbers = itertools.count()
    with ExitStack() as stack:

        def create(kind: str) -> str:
            if kind not in running:
                if kind == "postgresql":
                    running[kind] = stack.enter_context(run_postgres())
                else:
                    running[kind] = stack.enter_context(run_mariadb())
            return running[kind].create_database(f"inventory{next(numbers)}")

        yield lambda kind: "" if kind == "sqlite" else create(kind)


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path, servers: Callable[[str], str]) -> Run:
    """Runs a function with an empty store, opened for it alone; again with the same store."""
    url = servers(request.param)

    async def call(function: Callable[[Store], Awaitable[Any]]) -> Any:
        store = Store.open(url, str(tmp_path))
        try:
            return await function(store)
        finally:
            await store.close()

    return lambda function: asyncio.run(call(function))


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_the_lock_of_one_that_was_killed_is_waited_for(
    tmp_path: Path, servers: Callable[[str], str], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = servers(kind)
    engine = build_engine(check_url(url, "database", SCHEMA.backends))
    left = engine.connect()  # a server's backend that does not know yet that nobody is there any more
    assert try_lock(left, SCHEMA.advisory_lock)
    left.detach()
    threading.Timer(0.5, left.close).start()

    async def open_and_close() -> None:
        await Store.open(url, str(tmp_path)).close()

    asyncio.run(open_and_close())
    engine.dispose()
    [line] = [record.getMessage() for record in caplog.records if "inventory-locked" in record.getMessage()]
    assert re.search(r"in use by another server \(session \d+ from .+\)", line)


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_one_that_has_nothing_to_write_keeps_the_lock(
    tmp_path: Path, servers: Callable[[str], str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB ends sessions that say nothing."""
    monkeypatch.setattr(lock, "SILENCE_S", 1)
    monkeypatch.setitem(lock.BEATS_S, "mysql", 0.1)
    url = servers(kind)
    engine = build_engine(check_url(url, "database", SCHEMA.backends))

    async def idle() -> None:
        store = Store.open(url, str(tmp_path))
        await asyncio.sleep(2)
        with engine.connect() as other:
            assert not lock.try_lock(other, SCHEMA.advisory_lock)
        await store.close()

    asyncio.run(idle())
    with engine.connect() as other:
        lock.await_lock(other, SCHEMA.advisory_lock, 30 * TIME_SCALE, print)
        other.invalidate()
    engine.dispose()


def test_mariadb_lets_go_of_one_that_says_nothing(
    tmp_path: Path, servers: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose host has lost its power; PostgreSQL finds out by TCP's keepalive, which it is asked for."""
    monkeypatch.setattr(lock, "SILENCE_S", 1)
    monkeypatch.setitem(lock.BEATS_S, "mysql", 3600.0)
    url = servers("mariadb")

    async def be_silent() -> None:
        silent = Store.open(url, str(tmp_path))
        (tmp_path / "other").mkdir()
        other = Store.open(url, str(tmp_path / "other"))
        await other.close()
        await silent.close()

    asyncio.run(be_silent())


def test_mariadb_may_take_longer_to_answer_than_to_greet(
    servers: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "GREETING_S", 1.0 * TIME_SCALE)
    engine = build_engine(check_url(servers("mariadb"), "database", SCHEMA.backends))
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"select sleep({1.5 * TIME_SCALE})").scalar_one() == 0
    engine.dispose()


def test_postgresql_is_asked_to_find_out_soon_that_nobody_is_there(servers: Callable[[str], str]) -> None:
    url = servers("postgresql")
    engine = build_engine(check_url(url, "database", SCHEMA.backends))
    with engine.connect() as connection:
        ask = "select name from pg_settings where position('tcp_' in name) = 1 and source = 'client'"
        asked = set(connection.exec_driver_sql(ask).scalars())
    engine.dispose()
    assert asked == {
        "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout",
    }  # fmt: skip


def store_each(run: Run, *arrivals: Arrival) -> list[Outcome]:
    """Store them one after the other, a transaction each."""

    async def ask(store: Store) -> list[Outcome]:
        return [(await store.store([arrival]))[0].outcome for arrival in arrivals]

    found: list[Outcome] = run(ask)
    return found


def read(run: Run, function: Callable[[Any], Any]) -> Any:
    return run(lambda store: store.read(function))


def count(run: Run, table: Table) -> int:
    found: int = read(run, lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one())
    return found


def test_a_report_is_new_the_same_changed_older_or_a_replay(run: Run) -> None:
    first, second = make_arrival("1", NOW - 5 * DAY), make_arrival("1", NOW - 4 * DAY)
    changed, late = make_arrival("2", NOW - 2 * DAY), make_arrival("3", NOW - 3 * DAY)
    assert store_each(run, first, second, changed, late) == ["new", "same", "changed", "older"]
    before = read(run, read_history)
    assert store_each(run, first, second, changed, late) == ["replay"] * 4
    assert read(run, read_history) == before
    [history] = before.values()
    assert [times for times, _ in history] == [(NOW - 5 * DAY, NOW - 4 * DAY), (NOW - 3 * DAY,), (NOW - 2 * DAY,)]
    assert [content for _, content in history] == [first.digest, late.digest, changed.digest]


def test_what_many_hosts_have_is_kept_once(run: Run) -> None:
    batch = [make_arrival("1", NOW - DAY, host=f"node{number}.example.org") for number in range(30)]
    assert store_each(run, *batch) == ["new"] * 30
    assert [count(run, table) for table in (sets, hosts, packages)] == [1, 30, 21]


def test_the_history_is_the_same_in_whatever_order_and_batches_reports_come(run: Run) -> None:
    said = [("1", 5), ("1", 4), ("2", 3), ("1", 3), ("1", 2), ("2", 1)]  # two of one time
    orders = list(itertools.permutations(said))[::9]

    async def ask(store: Store) -> Any:
        for number, order in enumerate(orders):
            size = 1 + number % 4
            for start in range(0, len(order), size):
                part = order[start : start + size]
                made = [make_arrival(v, NOW - days * DAY, interval=int(v), host=f"n{number}") for v, days in part]
                await store.store(made)
        told = select(hosts.c.interval).distinct()
        return await store.read(lambda connection: (read_history(connection), connection.execute(told).all()))

    histories, told = run(ask)
    expected = histories[("n0", 1, 0)]
    assert {time for times, _ in expected for time in times} == {NOW - days * DAY for _, days in said}
    assert [orders[int(name[1:])] for (name, *_), found in histories.items() if found != expected] == []
    assert (len(histories), told) == (len(orders), [(2,)])


def test_hosts_of_one_name_are_told_apart_by_machine_and_site(run: Run) -> None:
    store_each(
        run,
        make_arrival("1", NOW - DAY, machine="0" * 31 + "1"),
        make_arrival("1", NOW - DAY, machine="f" * 32),
        make_arrival("1", NOW - DAY, machine="f" * 32, site="OTHER"),
        make_arrival("2", NOW - DAY + 1, machine="f" * 32, host="NODE1.example.org."),
    )
    assert sorted(len(history) for history in read(run, read_history).values()) == [1, 1, 2]


def test_packages_are_told_apart_by_case(run: Run) -> None:
    store_each(run, make_arrival("1a", NOW - DAY), make_arrival("1A", NOW))
    [history] = read(run, read_history).values()
    assert len(history) == 2


def test_a_report_read_anew_stands_in_place_of_what_was_read_before(run: Run) -> None:
    wrong, right = make_arrival("1", NOW - DAY), make_arrival("2", NOW - DAY)
    for one, other in ((wrong, right), (right, wrong)):
        again = Arrival(other.report, other.received, other.digest, replaces=True)
        store_each(run, one, again)
        [[(_, content)]] = read(run, read_history).values()
        assert content == other.digest


def test_the_state_at_a_time_is_the_span_that_began_last_before_it(run: Run) -> None:
    store_each(run, make_arrival("1", NOW - 3 * DAY), make_arrival("2", NOW - DAY))

    def ask(at: int) -> list[int]:
        return [row.first for row in read(run, lambda c: c.execute(select_states(at)).all())]

    assert ask(NOW - 4 * DAY) == []
    assert ask(NOW - 2 * DAY) == [NOW - 3 * DAY]
    assert ask(NOW) == [NOW - DAY]


def test_a_report_without_a_time_was_made_when_it_came(run: Run) -> None:
    assert store_each(run, make_arrival("1", 0, received=NOW - DAY), make_arrival("1", 0)) == ["new", "same"]
    [first] = read(run, lambda c: c.execute(select(spans)).all())
    assert (first.first, first.last) == (NOW - DAY, NOW)
