"""Who is let into a grid while others come at the same time."""

import asyncio
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from headless.grid.serve.call import Session, User
from headless.grid.serve.grid import Grid
from headless.grid.serve.login import renew
from headless.grid.serve.sessions import PATH, Sessions
from headless.grid.serve.settings import GridSettings
from headless.transport.server import Channel


class SlowCatalogue:
    """Knows everybody, after a while."""

    async def read(self, _: object) -> object:
        """Whoever is asked for."""
        await asyncio.sleep(0)
        return object()


def test_handshakes_that_come_together_count_together(tmp_path: Path) -> None:
    settings = GridSettings(state=str(tmp_path), max_sessions=2)
    grid = SimpleNamespace(settings=settings, catalogue=SlowCatalogue(), present=Counter())

    async def come() -> None:
        sessions = Sessions(cast(Grid, grid))
        lost: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in range(4)]
        admitted = await asyncio.gather(*(sessions.admit(PATH, b"x", future) for future in lost))
        assert admitted == [None, None, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE]
        lost[0].set_result(None)
        await asyncio.sleep(0)
        lost += [asyncio.get_running_loop().create_future() for _ in range(2)]
        admitted = await asyncio.gather(*(sessions.admit(PATH, b"x", future) for future in lost[4:]))
        assert admitted == [None, HTTPStatus.SERVICE_UNAVAILABLE]

    asyncio.run(come())


def _make(name: str, *roles: str) -> User:
    return User(name, (name, *roles), f"/home/{name}", "admin" in roles)


BOSS, ANNA = _make("boss", "admin"), _make("anna", "shift")


@pytest.mark.parametrize(("worker", "login", "name", "user", "expected"), [
    (ANNA, None, "other", None, ("anna", None)),
    (ANNA, None, "anna", None, None),
    (ANNA, None, "anna", _make("anna", "jobs"), ("anna", None)),
    (ANNA, BOSS, "anna", _make("anna"), ("anna", "boss")),
    (ANNA, BOSS, "anna", None, ("boss", None)),
    (ANNA, BOSS, "boss", BOSS, ("anna", "boss")),
    (ANNA, BOSS, "boss", _make("boss"), ("boss", None)),
    (ANNA, BOSS, "boss", None, None),
])  # fmt: skip
def test_a_session_follows_its_user(
    worker: User, login: User | None, name: str, user: User | None, expected: Any
) -> None:
    session = Session(worker, "anna", "/", "", 0.0, "", login=login)
    if not renew(session, name, user):
        assert expected is None
        return
    assert (session.user.name, session.login.name if session.login else None) == expected
    assert session.role in session.user.roles


def test_the_end_of_a_users_sessions_passes_over_those_that_have_ended_meanwhile() -> None:
    """Between the look at a user's sessions and their end another task may come in between."""
    closed = []

    class Line:
        async def close(self, code: int, reason: str) -> None:
            closed.append((self, code))

    async def come() -> None:
        sessions = Sessions(cast(Grid, SimpleNamespace(settings=GridSettings(state="/nosuch"))))
        working = asyncio.create_task(asyncio.sleep(3600))
        gone, there = Line(), Line()
        sessions._open[cast(Channel, there)] = cast(Session, None), working
        await sessions._end(cast(list[Channel], [gone, there]), 1008, "the user was removed")
        assert [line for line, _ in closed] == [gone, there]
        assert working.cancelled()

    asyncio.run(come())
