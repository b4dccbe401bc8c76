"""What a collector reads in the background after its start, and questions meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from headless.inventory.ask import memory as kept
from headless.inventory.ask.page import Answer, Page
from headless.inventory.collect.access import Access, Scope
from headless.inventory.collect.schema import sets
from headless.inventory.collect.store import Store
from headless.inventory.web import warming
from headless.inventory.web.desk import Desk
from inventory_fleet import build_fleet, store_fleet

NOW = 1_790_000_000
ALL = Scope("all", None, False)
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("who-has", {"requirement": "openssl<3.0.11", "at": NOW}),
    ("packages", {"at": NOW}),
    ("census", {"package": "lib*", "at": NOW - 86400}),
]


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fleet's time; nothing is waited for."""
    monkeypatch.setattr(warming, "START_S", 0.0)
    monkeypatch.setattr(warming, "PART", 5)
    monkeypatch.setattr(Desk, "pick_time", lambda _: NOW)


def test_all_sets_are_in_memory_after_it_and_questions_meanwhile_are_right(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store.open("", str(tmp_path))
        await store_fleet(store, build_fleet(NOW), NOW)
        expected = [await _ask(Desk(store, Access("")), number) for number in range(len(QUESTIONS))]
        desk = Desk(store, Access(""))
        task = asyncio.create_task(warming.warm(desk))
        found: list[Answer] = []
        while not task.done() or len(found) < len(QUESTIONS):
            found.append(await _ask(desk, len(found) % len(QUESTIONS)))
        await task
        assert all(answer == expected[number % len(QUESTIONS)] for number, answer in enumerate(found))
        ids = await store.read(lambda connection: list(connection.execute(select(sets.c.id)).scalars()))
        nowhere: Any = None
        assert dict(desk.memory.iterate_members(nowhere, ids)).keys() == set(ids)
        await store.close()

    asyncio.run(run())


def test_it_ends_where_there_is_no_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "NUMBERS_LIMIT", 200)

    async def run() -> None:
        store = Store.open("", str(tmp_path))
        await store_fleet(store, build_fleet(NOW), NOW)
        desk = Desk(store, Access(""))
        await warming.warm(desk)
        assert desk.memory.is_full
        for number in range(len(QUESTIONS)):
            assert await _ask(desk, number) == await _ask(Desk(store, Access("")), number)
        await store.close()

    asyncio.run(run())


async def _ask(desk: Desk, number: int) -> Answer:
    question, given = QUESTIONS[number]
    return await desk.ask(question, given, Page(1000), ALL, lambda answer: answer)
