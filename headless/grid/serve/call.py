"""One command of one session, as the functions that do the work see it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from headless.grid.messages import GridError, Row
from headless.grid.serve.grid import Grid

__all__ = ["Call", "Command", "Page", "Rows", "Session", "User"]

Page = Sequence[Row]
"""Some rows that are made, and sent, together."""

Rows = Page | AsyncIterator[Page]
"""A command's answer; one that may be long is made page by page."""


@dataclass(frozen=True)
class User:
    """Who a session belongs to.

    Attributes:
        name: also of the user's own role, which is the first one.
        roles: all that the user may take.
        home: an absolute path.
        is_admin: whether no permission stops the user.
        full_name: for people; may be empty.
        email: may be empty.
    """

    name: str
    roles: tuple[str, ...]
    home: str
    is_admin: bool
    full_name: str = ""
    email: str = ""


@dataclass
class Session:
    """What the server keeps of a session.

    Attributes:
        user: who works; after ``user NAME`` of an administrator another one than has logged in.
        role: in which role, which is the group of what is made; at first the user's own.
        directory: absolute, without a slash at its end, but for the root.
        subject: of the certificate, RFC 4514.
        expires_at: when that ends, seconds since 1970.
        source: where it comes from.
        job_id: the job whose token this is; ``None`` outside jobs.
        login: who has logged in, where that is not the user any more.
        site: where its files had better be (``setSite``); may be empty.
        issued_at: when its certificate was made, seconds since 1970.
        has_timing: whether replies say how long they took.
        marks: of searches that were cut off: how many rows have been shown, and the bound behind the last.
    """

    user: User
    role: str
    directory: str
    subject: str
    expires_at: float
    source: str
    job_id: int | None = None
    login: User | None = None
    site: str = ""
    issued_at: float = 0.0
    has_timing: bool = False
    marks: dict[tuple[str, ...], tuple[int, str]] = field(default_factory=dict)


@dataclass
class Call:
    """A command with its options; the options that any command takes are taken out.

    Attributes:
        note: what there is to be said where nothing went wrong.
        failure: what went wrong with one of several paths; the last one is told, as JAliEn does.
    """

    grid: Grid
    session: Session
    command: str
    options: Sequence[str]
    failure: GridError | None = None
    note: str = ""
    started_at: float = field(default_factory=time.time)

    def fail(self, error: GridError) -> None:
        """Note an error, and go on."""
        self.failure = error


@dataclass(frozen=True)
class Command:
    """A command of the server.

    Attributes:
        run: does it. It may raise :class:`GridError`, whose message is the detail behind the errno's own words.
        usage: what ``-h`` answers.
    """

    run: Callable[[Call], Awaitable[Rows]]
    usage: str
