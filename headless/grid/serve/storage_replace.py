"""A storage whose disk is lost for good, and which goes on with an empty one under its name.

What another storage holds is copied back by the grid's own copier, as for ``mirror``. What no other holds keeps its
row, as lost: where its bytes are saved after all, they belong at the same path of the new disk.
"""

import os
import sys
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, literal, select, union, update

from headless.errors import ParameterError
from headless.grid.serve.entries import now_ms
from headless.grid.serve.schema import LOST, entries, members, orphans, replicas, storages, transfers
from headless.grid.serve.storage_identity import check_identity, is_empty
from headless.grid.serve.transfers import WAITING

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["check_new_disk", "find_mount", "list_lost", "replace_storage"]


def check_new_disk(name: str, folder: str, key: str) -> None:
    """Refuse what cannot be a new, empty disk.

    Args:
        name: of the storage.
        folder: of the new disk.
        key: the storage's own, as XRootD wants it.

    Raises:
        ParameterError: it is not there, holds files, or is another storage's.
    """
    if not os.path.isdir(folder):
        raise ParameterError(f"storage {name}: there is no folder {folder}: mount the new disk first")
    if not is_empty(folder):
        raise ParameterError(
            f"storage {name}: {folder} holds files: only an empty disk is taken. What is missing on another the"
            " server finds by itself"
        )
    check_identity(name, folder, key, 0)


def find_mount(folder: str) -> str:
    """Where the file system of a folder is mounted: by it an administrator sees a disk that is not."""
    while not os.path.ismount(folder):
        folder = os.path.dirname(folder)
    return folder


def replace_storage(connection: Connection, name: str, *, is_dry: bool = False) -> int:
    """Have the replicas of a storage made again, and mark as lost those that no other storage holds.

    Args:
        connection: of a transaction.
        name: of the storage.
        is_dry: only count.

    Returns:
        How many replicas are to be made.

    Raises:
        ParameterError: there is no such storage.
    """
    if connection.execute(select(storages.c.name).where(storages.c.name == name)).first() is None:
        known = ", ".join(connection.execute(select(storages.c.name).order_by(storages.c.number)).scalars())
        raise ParameterError(f"the catalogue knows no storage {name}; it knows {known or 'none'}")
    here, held = replicas.c.storage == name, _is_held_elsewhere(name)
    again: int = connection.execute(select(func.count()).select_from(replicas).where(here, held)).scalar_one()
    if not is_dry:
        _queue(connection, name)
        connection.execute(delete(replicas).where(here, held))
        connection.execute(update(replicas).where(here).values(fault=LOST, checked_ms=now_ms()))
        connection.execute(delete(orphans).where(orphans.c.storage == name))  # they went with the disk
    return again


def list_lost(connection: Connection, name: str, tell: Callable[[str], None]) -> int:
    """Tell the LFN of each file that only this storage held, in order, those in its archives too; their number."""
    lost = select(replicas.c.guid).where(replicas.c.storage == name, ~_is_held_elsewhere(name))
    apart = ~exists().where(replicas.c.guid == members.c.guid)  # such a member has been stored by itself since
    every = union(
        select(entries.c.path).where(entries.c.guid.in_(lost)),
        select(entries.c.path)
        .join(members, members.c.guid == entries.c.guid)
        .where(members.c.archive.in_(lost), apart),
    ).subquery()
    rows = connection.execution_options(yield_per=1000).execute(select(every.c.path).order_by(every.c.path))
    count = 0
    for count, path in enumerate(rows.scalars(), 1):  # noqa: B007  # of the last one
        tell(path)
    return count


def _is_held_elsewhere(name: str) -> ColumnElement[bool]:
    other = replicas.alias("other")
    return exists().where(other.c.guid == replicas.c.guid, other.c.storage != name, other.c.fault == "")


def _queue(connection: Connection, name: str) -> None:
    """All at once: there may be a million."""
    again = select(replicas.c.guid).where(replicas.c.storage == name, _is_held_elsewhere(name))
    first = select(func.min(entries.c.path)).where(entries.c.guid.in_(again)).group_by(entries.c.guid)
    now = literal(now_ms())
    values = {
        "user": entries.c.owner, "path": entries.c.path, "guid": entries.c.guid, "storage": literal(name),
        "state": literal(WAITING), "reason": literal(""), "tries": literal(0), "next_ms": now, "created_ms": now,
    }  # fmt: skip
    rows = select(*[column.label(key) for key, column in values.items()]).where(entries.c.path.in_(first))
    connection.execute(insert(transfers).from_select(list(values), rows))
