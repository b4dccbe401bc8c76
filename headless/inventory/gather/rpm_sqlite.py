"""rpm's database of the kind ``sqlite`` (the default since rpm 4.16), read without rpm.

The database is opened to read only: nobody is disturbed.
"""

import os
import sqlite3
from urllib.parse import quote

from headless.inventory.gather.rows import Row, Unreadable
from headless.inventory.gather.rpm_header import parse_header

__all__ = ["read_database"]

BUSY_S = 10.0  # how long a running update may keep the database to itself


def read_database(path: str) -> list[Row]:
    """Read the packages of a database.

    Raises:
        Unreadable: it is locked, or damaged.
    """
    rows = []
    try:
        for blob in _read_blobs(path):
            row = parse_header(blob)
            if row is not None:
                rows.append(row)
    except (sqlite3.Error, ValueError, LookupError) as exc:
        raise Unreadable(f"{path}: {exc}") from exc
    return rows


def _read_blobs(path: str) -> list[bytes]:
    uri = f"file:{quote(os.path.abspath(path))}?mode=ro"
    try:
        return _select(uri)
    except sqlite3.OperationalError as exc:
        # A database in WAL mode wants to make its shared index, which only root may; without a log, nothing is in it.
        if "unable to open" not in str(exc) and "readonly" not in str(exc):
            raise
        if os.path.exists(path + "-wal") and os.path.getsize(path + "-wal"):
            raise
        return _select(uri + "&immutable=1")


def _select(uri: str) -> list[bytes]:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S)
    try:
        return [row[0] for row in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
    finally:
        connection.close()
