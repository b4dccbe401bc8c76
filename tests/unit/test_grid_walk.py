"""How much of the catalogue is looked at for a step of ``find``."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy
from sqlalchemy import Connection, true

from headless.grid.serve.call import Call
from headless.grid.serve.schema import entries
from headless.grid.serve.walk import walk

ROWS = 20_000
ENTRY = {"owner": "u", "group": "u", "mode": 0o755, "size": 1, "md5": "", "guid": "", "created_ms": 1, "modified_ms": 1}


class _Counting:
    """A catalogue that counts the instructions of SQLite's machine in each read."""

    def __init__(self) -> None:
        self.work: list[int] = []
        engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
        self.connection = engine.connect()
        entries.create(self.connection)
        rows = [{"path": f"/a/{number:06d}", "parent": "/a", "name": f"{number:06d}", "kind": "f"} | ENTRY
                for number in range(ROWS)]  # fmt: skip
        self.connection.execute(entries.insert(), rows)
        self.driver: Any = self.connection.connection.dbapi_connection

    async def read(self, function: Callable[[Connection], Any]) -> Any:
        """As the catalogue does it."""
        self.work.append(0)

        def count() -> int:
            self.work[-1] += 1
            return 0

        self.driver.set_progress_handler(count, 100)
        return function(self.connection)


@pytest.mark.parametrize("folder", ["/", "/a"])
def test_the_last_step_costs_what_the_second_does(folder: str) -> None:
    catalogue = _Counting()
    user = SimpleNamespace(is_admin=True)
    call = SimpleNamespace(grid=SimpleNamespace(catalogue=catalogue), session=SimpleNamespace(user=user))

    async def count() -> list[int]:
        columns = [entries.c.path, entries.c.parent]
        return [len(page) async for page in walk(cast("Call", call), folder, columns, true())]

    counts = asyncio.run(count())
    assert sum(counts) == ROWS
    assert counts[0] < counts[1]  # whoever waits sees something at once
    assert catalogue.work[-2] < 1.5 * catalogue.work[1]
