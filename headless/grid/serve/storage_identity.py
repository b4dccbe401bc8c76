"""Whether a folder is the storage that it is said to be, looked at before anything is made in it.

Where a disk is not mounted its mount point is an empty folder: a storage that is begun anew there takes new files,
which the disk hides when it is back, and all of its own are missing meanwhile.
"""

import os
import sys

from sqlalchemy import Connection, func, select

from headless.errors import ParameterError
from headless.grid.serve.schema import LOST, MISSING, bookings, orphans, replicas
from headless.grid.serve.storage_folder import DATA, KEY

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["check_identity", "count_files", "has_files", "is_empty", "is_known", "look_again"]


def count_files(connection: Connection, name: str) -> int:
    """How many replicas the catalogue knows at a storage; but for those that went with an earlier disk."""
    there = (replicas.c.storage == name) & (replicas.c.fault != LOST)
    query = select(func.count()).select_from(replicas).where(there)
    return connection.execute(query).scalar_one()


def is_known(connection: Connection, name: str) -> bool:
    """Whether the catalogue knows anything of what a storage may hold."""
    return any(
        connection.execute(select(table.c.storage).where(table.c.storage == name).limit(1)).first() is not None
        for table in (replicas, bookings, orphans)
    )


def look_again(connection: Connection, name: str) -> None:
    """Have the verifier look once more at what it has found missing at a storage."""
    missing = (replicas.c.storage == name) & (replicas.c.fault == MISSING)
    connection.execute(replicas.update().where(missing).values(checked_ms=0))


def has_files(folder: str) -> bool:
    """Whether there is a file anywhere in a storage's folder."""
    return any(files for _, _, files in os.walk(os.path.join(folder, DATA)))


def is_empty(folder: str) -> bool:
    """Whether a storage's folder holds no files, or is not there.

    Raises:
        ParameterError: it cannot be read.
    """
    try:
        with os.scandir(os.path.join(folder, DATA)) as found:
            return next(found, None) is None
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as exc:
        raise ParameterError(f"storage folder {folder} is of no use: {exc}") from exc


def check_identity(name: str, folder: str, key: str, files: int) -> None:
    """Refuse a folder that is not this storage's.

    Args:
        name: of the storage.
        folder: its folder; it need not be there.
        key: the storage's own, as XRootD wants it.
        files: how many the catalogue knows there.

    Raises:
        ParameterError: it is another's, or has lost its files.
    """
    if files and is_empty(folder):
        raise ParameterError(
            f"storage {name}: the catalogue knows {files} files of it, and {os.path.join(folder, DATA)} has none: is"
            " its disk mounted? To start without it leave it out; if its disk is lost: headless grid storage replace"
        )
    path = os.path.join(folder, KEY)
    try:
        with open(path, encoding="latin-1") as file:
            found = file.read()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise ParameterError(f"storage folder {folder} is of no use: {exc}") from exc
    if found.strip() != key.strip():
        raise ParameterError(
            f"storage {name}: {folder} is the folder of another storage, or of another grid's: {path} is not the key of"
            f" {name}. Give each storage the folder that it had; if this one is right, remove that file"
        )
