"""How many questions wait for their turn, of all and of one asker."""

import asyncio
import threading
from pathlib import Path

import pytest

from headless.errors import Unavailable
from headless.inventory.collect.access import Access, Scope
from headless.inventory.collect.store import Store
from headless.inventory.web.desk import MOST_OF_ONE, MOST_WAITING, Desk

FIRST, SECOND, THIRD = (Scope(name, None, False) for name in ("first", "second", "third"))


def test_one_asker_leaves_room_for_others_and_all_have_an_end(tmp_path: Path) -> None:
    goes_on = threading.Event()

    async def run() -> None:
        store = Store.open("", str(tmp_path))
        desk = Desk(store, Access(""))

        async def ask(scope: Scope) -> bool:
            return await desk.read(scope, lambda _: goes_on.wait())

        begun: list[asyncio.Task[bool]] = []

        async def fill(scope: Scope, count: int) -> None:
            begun.extend(asyncio.create_task(ask(scope)) for _ in range(count))
            await asyncio.sleep(0)

        try:
            await fill(FIRST, MOST_OF_ONE)
            with pytest.raises(Unavailable, match="too many"):
                await ask(FIRST)
            await fill(SECOND, MOST_WAITING - MOST_OF_ONE)
            with pytest.raises(Unavailable, match="too many"):
                await ask(THIRD)
            assert not desk.is_idle
            begun.pop().cancel()  # one who has gone: what was begun for him goes on
            with pytest.raises(Unavailable, match="too many"):
                await ask(THIRD)
        finally:
            goes_on.set()
        assert all(await asyncio.gather(*begun)) and await ask(FIRST) and await ask(THIRD)
        await store.close()
        assert desk.is_idle

    asyncio.run(run())
