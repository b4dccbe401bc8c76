"""All that lies below a folder, in the order of the paths, read in small steps: no thread is held long, no list grows.

Rows are those that the session may see: what is in a closed folder is passed over, as ``find`` does on a disk.
"""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select

from headless.grid.serve.call import Call, Session
from headless.grid.serve.entries import VARIABLES, read_entry
from headless.grid.serve.paths import list_ancestors
from headless.grid.serve.permissions import may
from headless.grid.serve.schema import entries

__all__ = ["behind", "walk"]

STEP = 2000  # rows that are looked at in one go
FIRST_STEP = 100  # the first time, so that whoever waits sees something at once
KNOWN = 50_000  # folders whose bits are kept in memory


def behind(path: str) -> str:
    """The bound right behind a path: no name has a character below a blank."""
    return path + "\x01"


@dataclass(frozen=True)
class _Step:
    rows: Sequence[Row[Any]]
    next: str | None  # the bound to go on from; None at the end


async def walk(
    call: Call, folder: str, columns: Sequence[ColumnElement[Any]], condition: ColumnElement[bool], start: str = ""
) -> AsyncIterator[Sequence[Row[Any]]]:
    """Rows below a folder that the session may see, in pages; a page may be empty.

    Args:
        call: whose session looks.
        folder: which the session may read.
        columns: what the rows have; path and parent are among them.
        condition: which rows.
        start: the bound to begin at, of :func:`behind`; empty for all.
    """
    view = _View(call.session, folder)
    query = select(*columns).where(condition)
    bound = start or behind(folder.rstrip("/") + "/")
    for size in itertools.chain([FIRST_STEP], itertools.repeat(STEP)):
        step = await call.grid.catalogue.read(partial(_read_step, view=view, query=query, bound=bound, size=size))
        yield step.rows
        if step.next is None:
            return
        bound = step.next


def _read_step(connection: Connection, view: "_View", query: Select[Any], bound: str, size: int) -> _Step:
    path = entries.c.path
    behind_all = view.folder.rstrip("/") + "0"  # which comes right behind "/"
    left = and_(path >= bound, path < behind_all)
    last = connection.execute(select(path).where(left).order_by(path).limit(1).offset(size - 1)).scalar()
    # One bound a side: SQLite takes the first that is said, and looks at all that lies between it and the other.
    within = left if last is None else and_(path >= bound, path <= last)
    rows = connection.execute(query.where(within).order_by(path)).all()
    seen = view.filter(connection, rows)
    if last is None:
        return _Step(seen, None)
    view.learn(connection, {last.rpartition("/")[0] or "/"})
    closed = view.find_closed(last)
    return _Step(seen, behind(last) if closed is None else closed + "0")  # right behind all that is in it


class _View:
    """Which folders below a first one are open to a session."""

    def __init__(self, session: Session, folder: str) -> None:
        self.folder = folder
        self._session = session
        self._open = {folder: True}

    def filter(self, connection: Connection, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
        """The rows whose folders are open."""
        if self._session.user.is_admin:
            return rows
        self.learn(connection, {row.parent for row in rows})
        return [row for row in rows if self._open.get(row.parent)]

    def learn(self, connection: Connection, folders: set[str]) -> None:
        """Look up folders, and those above them, that are not known."""
        if self._session.user.is_admin:
            return
        if len(self._open) > KNOWN:
            self._open = {self.folder: True}
        unknown = {place for folder in folders - self._open.keys() for place in self._list_between(folder)}
        wanted = sorted(unknown - self._open.keys())
        for start in range(0, len(wanted), VARIABLES):
            query = select(entries).where(entries.c.path.in_(wanted[start : start + VARIABLES]))
            for entry in sorted(map(read_entry, connection.execute(query)), key=lambda entry: len(entry.path)):
                self._open[entry.path] = may(self._session, entry, "rx")
        for path in wanted:  # those above come first
            self._open[path] = self._open.get(path, False) and self._open.get(path.rpartition("/")[0] or "/", False)

    def find_closed(self, path: str) -> str | None:
        """The topmost closed folder that a path is in."""
        return next((place for place in self._list_between(path) if not self._open.get(place, True)), None)

    def _list_between(self, path: str) -> list[str]:
        """Folders from right below the first one down to the path itself."""
        return [place for place in (*list_ancestors(path), path) if len(place) > len(self.folder)]
