"""The file catalogue's rows: found, listed, made, removed. Who may do so is decided elsewhere (``lookup.py``).

All paths are absolute and tidy (``paths.resolve``). Functions that write run within ``Catalogue.write``.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, select

from headless.grid.errnos import EEXIST
from headless.grid.messages import GridError
from headless.grid.serve.paths import list_ancestors, split
from headless.grid.serve.schema import entries, members, orphans, replicas

__all__ = [
    "EMPTY_MD5",
    "Entry",
    "find_chain",
    "find_entry",
    "has_children",
    "insert_file",
    "insert_folder",
    "list_children",
    "now_ms",
    "read_entry",
    "remove_entries",
    "select_below",
    "split_below",
]

EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
KINDS = {"f": "file", "d": "directory", "c": "collection"}
PART = 20_000  # entries that one statement changes
VARIABLES = 500  # of one statement: SQLite takes some thousands, older ones 999
# Built once: to build a statement takes SQLAlchemy three times as long as to run it.
_AT_PATH = select(entries).where(entries.c.path == bindparam("path"))
_AT_PATHS = select(entries).where(entries.c.path.in_(bindparam("paths", expanding=True)))
_INSERT = entries.insert()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file, a folder or a collection.

    Attributes:
        path: absolute, without a slash at its end, but for the root.
        parent: the folder's path; of the root: empty.
        name: the path's last part.
        kind: f, d or c.
        owner: a user.
        group: a role.
        mode: permission bits.
        size: bytes.
        md5: of the content; empty if it is not known.
        guid: of the content; several paths may have the same.
        created_ms: when the content came, since 1970.
        modified_ms: when the entry was last changed.
        expires_ms: when it may be removed; ``None`` for never.
        job_id: the job that made it.
    """

    path: str
    parent: str
    name: str
    kind: str
    owner: str
    group: str
    mode: int
    size: int
    md5: str
    guid: str
    created_ms: int
    modified_ms: int
    expires_ms: int | None = None
    job_id: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it may have entries below it."""
        return self.kind == "d"

    @property
    def kind_name(self) -> str:
        """The kind in words: file, directory, collection."""
        return KINDS[self.kind]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def read_entry(row: Row[*tuple[object, ...]]) -> Entry:
    """An entry of a row with all columns of the table."""
    return Entry(**row._mapping)


def find_entry(connection: Connection, path: str) -> Entry | None:
    """The entry at a path; nobody's permission is asked."""
    row = connection.execute(_AT_PATH, {"path": path}).first()
    return None if row is None else read_entry(row)


def find_chain(connection: Connection, path: str) -> dict[str, Entry]:
    """The entry at a path and all folders above it, by path; what is not there is missing."""
    found: dict[str, Entry] = {}
    wanted = [*list_ancestors(path), path]
    for start in range(0, len(wanted), VARIABLES):
        rows = connection.execute(_AT_PATHS, {"paths": wanted[start : start + VARIABLES]})
        found |= {row.path: read_entry(row) for row in rows}
    return found


def list_children(connection: Connection, folder: str, after: str = "", limit: int = 1000) -> list[Entry]:
    """The next entries of a folder, by name, from behind the name ``after`` on."""
    query = select(entries).where(entries.c.parent == folder, entries.c.name > after)
    return [read_entry(row) for row in connection.execute(query.order_by(entries.c.name).limit(limit))]


def has_children(connection: Connection, folder: str) -> bool:
    """Whether a folder has any entry."""
    query = select(entries.c.path).where(entries.c.parent == folder).limit(1)
    return connection.execute(query).first() is not None


def select_below(folder: str) -> ColumnElement[bool]:
    """The condition for all that lies below a folder, at any depth: one range of keys."""
    if folder == "/":
        return entries.c.path > "/"
    return and_(entries.c.path > folder + "/", entries.c.path < folder + "0")  # "0" comes right behind "/"


def split_below(connection: Connection, folder: str) -> Iterator[ColumnElement[bool]]:
    """The same, in parts of at most ``PART`` entries: a database ends a statement that takes too long.

    All of them in one transaction are still one change: readers, and whoever comes after a power cut, see it whole or
    not at all. A part may leave the folder before the next one is asked for.
    """
    path, bound = entries.c.path, folder.rstrip("/") + "/"
    end = path < folder.rstrip("/") + "0"
    while True:
        left = and_(path > bound, end)
        last = connection.execute(select(path).where(left).order_by(path).limit(1).offset(PART - 1)).scalar()
        if last is None:
            yield left
            return
        yield and_(path > bound, path <= last)  # one bound a side, as in ``walk.py``
        bound = last


def insert_folder(connection: Connection, path: str, owner: str, group: str, mode: int = 0o755) -> None:
    """Add a folder; the one above it must be there.

    Raises:
        GridError: EEXIST.
    """
    _insert(connection, path, "d", owner, group, mode, size=0, md5="", guid=str(uuid.uuid4()))


def insert_file(
    connection: Connection,
    path: str,
    owner: str,
    group: str,
    size: int,
    md5: str,
    guid: str,
    *,
    kind: str = "f",
    mode: int = 0o644,
    expires_ms: int | None = None,
    job_id: int | None = None,
) -> None:
    """Add a file, or a collection (kind ``c``); its folder must be there (``lookup.make_parents``).

    Raises:
        GridError: EEXIST.
    """
    more = {"expires_ms": expires_ms, "job_id": job_id}
    _insert(connection, path, kind, owner, group, mode, size=size, md5=md5, guid=guid, **more)


def _insert(
    connection: Connection, path: str, kind: str, owner: str, group: str, mode: int, **values: str | int | None
) -> None:
    if find_entry(connection, path) is not None:
        raise GridError(EEXIST, path)
    parent, name = split(path)
    now = now_ms()
    values |= {"parent": parent, "name": name, "created_ms": now, "modified_ms": now}
    connection.execute(_INSERT, {"path": path, "kind": kind, "owner": owner, "group": group, "mode": mode, **values})


def remove_entries(connection: Connection, removed: Sequence[Entry]) -> None:
    """Remove entries. Contents that no path has any more become orphans: the sweeper removes their replicas.

    Whoever removes a folder has removed what is in it.
    """
    for start in range(0, len(removed), VARIABLES):
        part = removed[start : start + VARIABLES]
        connection.execute(delete(entries).where(entries.c.path.in_([entry.path for entry in part])))
        guids = {entry.guid for entry in part if not entry.is_folder}
        if guids:
            kept = select(entries.c.guid).where(entries.c.guid.in_(guids))
            _orphan(connection, guids - set(connection.execute(kept).scalars()))


def _orphan(connection: Connection, guids: set[str]) -> None:
    lost = replicas.c.guid.in_(guids)
    source = select(replicas.c.storage, replicas.c.pfn).where(lost)
    # A pfn may be there already, if two files were made of one upload.
    fresh = source.where(
        ~select(orphans.c.pfn).where(orphans.c.storage == replicas.c.storage, orphans.c.pfn == replicas.c.pfn).exists()
    )
    connection.execute(orphans.insert().from_select(["storage", "pfn"], fresh.distinct()))
    connection.execute(delete(replicas).where(lost))
    connection.execute(delete(members).where(members.c.guid.in_(guids)))
