"""How many questions wait for their turn, of all and of one asker; how much is sent along."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from headless.errors import Unavailable
from headless.inventory.collect.access import Access, Scope
from headless.inventory.collect.store import Store
from headless.inventory.web import api
from headless.inventory.web.api import build_api_routes
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


def test_what_is_sent_along_has_a_limit_for_all_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BODIES_LIMIT", 100)

    async def run() -> None:
        store = Store.open("", str(tmp_path))
        access = Access(str(tmp_path / "access.json"))
        token = access.add("all", "admin", ())
        routes = Starlette(routes=build_api_routes(Desk(store, access)))

        async def post(*parts: bytes, goes_on: asyncio.Event | None = None) -> int:
            rest = list(parts)
            told: list[Any] = []

            async def receive() -> dict[str, Any]:
                if not rest and goes_on is not None:
                    await goes_on.wait()
                body = rest.pop(0) if rest else b""
                return {"type": "http.request", "body": body, "more_body": bool(rest) or (goes_on is not None and body)}

            async def send(message: Any) -> None:
                told.append(message)

            headers = [(b"authorization", f"Bearer {token}".encode())]
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/api/v1/conform",
                "query_string": b"",
                "headers": headers,
            }
            await routes(scope, receive, send)
            return int(told[0]["status"])

        goes_on = asyncio.Event()
        slow = asyncio.create_task(post(b"#" * 60, goes_on=goes_on))
        await asyncio.sleep(0)
        assert [await post(b"#" * 60), await post(b"#" * 30)] == [503, 400]
        goes_on.set()
        assert [await slow, await post(b"#" * 60)] == [400, 400]
        await store.close()

    asyncio.run(run())
