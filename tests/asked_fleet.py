"""A made-up fleet stored in a database, and asked: beside the same answers found the slow way."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from headless.inventory.ask.answers import answer
from headless.inventory.ask.marks import Marks
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.collect.store import Store
from headless.inventory.questions import QUESTIONS
from inventory_fleet import build_fleet, store_fleet
from mariadb import MariaDB, run_mariadb
from postgres import Postgres, run_postgres

__all__ = ["ALL", "ALPHA", "NOW", "Fleet", "run_fleet"]

NOW = 1_790_000_000
ALL = Scope("all", None, None, False)
ALPHA = Scope("alpha", frozenset(["ALPHA"]), frozenset(), False)
SERVERS: dict[str, Callable[[], Any]] = {"mariadb": run_mariadb, "postgresql": run_postgres}


class Fleet:
    """A stored fleet, asked."""

    def __init__(self, url: str, state: Path, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.memory = Memory()
        self.marks: Callable[[], Marks | None] | None = None
        self.reports = build_fleet(NOW)
        self._store = runner.run(self._open(url, str(state)))

    def close(self) -> None:
        """Close the store."""
        self._runner.run(self._store.close())

    def ask(self, question: str, *, scope: Scope = ALL, limit: int = 1000, **parameters: Any) -> list[dict[str, Any]]:
        """All rows, page by page."""
        rows, after = [], ()
        names = [column.name for column in QUESTIONS[question].columns]
        while True:
            page = self.ask_page(question, Page(limit, after), scope=scope, **parameters)
            rows += [dict(zip(names, row, strict=True)) for row in page.rows]
            if not page.next:
                return rows
            after = page.next

    def ask_page(self, question: str, page: Page, *, scope: Scope = ALL, **parameters: Any) -> Answer:
        """One page."""
        parameters = {"at": NOW, **parameters}

        return self._runner.run(
            self._store.read(
                lambda connection: answer(
                    question, parameters, page, connection=connection, scope=scope, memory=self.memory, marks=self.marks
                )
            )
        )

    def look(self, find: Callable[[View], Any], *, scope: Scope = ALL, at: int = NOW, is_again: bool = False) -> Any:
        """What a page's function finds."""

        def read(connection: Connection) -> Any:
            return find(View(connection, scope, self.memory, at, is_continued=is_again))

        return self._runner.run(self._store.read(read))

    async def _open(self, url: str, state: str) -> Store:
        store = Store.open(url, state)
        await store_fleet(store, self.reports, NOW)
        return store


@contextmanager
def run_fleet(database: str, folder: Path) -> Iterator[Fleet]:
    """The fleet in a database of its own, for as long as the block runs."""
    with ExitStack() as stack:
        url = ""
        if database != "sqlite":
            server: MariaDB | Postgres = stack.enter_context(SERVERS[database]())
            url = server.create_database("fleet")
        fleet = Fleet(url, folder, stack.enter_context(asyncio.Runner()))
        stack.callback(fleet.close)
        yield fleet
