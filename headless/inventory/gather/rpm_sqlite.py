"""rpm's database of the kind ``sqlite`` (the default since rpm 4.16), read without rpm.

Each package is a blob: two counts, an index, and the data that the index points into (rpm's "Header Structure", LSB
part 22.2.3, without the magic). The database is opened to read only: nobody is disturbed.
"""

import os
import sqlite3
from urllib.parse import quote

from headless.inventory.gather.files import decode
from headless.inventory.gather.rows import Row, Unreadable
from headless.inventory.gather.rpm import build_row

__all__ = ["read_database"]

NAME, VERSION, RELEASE, EPOCH, ARCH, SOURCERPM = 1000, 1001, 1002, 1003, 1022, 1044
WANTED = frozenset((NAME, VERSION, RELEASE, EPOCH, ARCH, SOURCERPM))
INT32, STRING = 4, 6
BUSY_S = 10.0  # how long a running update may keep the database to itself


def read_database(path: str) -> list[Row]:
    """Read the packages of a database.

    Raises:
        Unreadable: it is locked, or damaged.
    """
    rows = []
    try:
        for blob in _read_blobs(path):
            row = _parse(blob)
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


def _parse(blob: bytes) -> Row | None:
    count, length = int.from_bytes(blob[:4], "big"), int.from_bytes(blob[4:8], "big")
    data = 8 + 16 * count
    if len(blob) != data + length:
        raise ValueError("damaged: a package's header is not as long as it says")
    found: dict[int, str] = {}
    for place in range(8, data, 16):
        tag = int.from_bytes(blob[place : place + 4], "big")
        if tag in WANTED:
            kind = int.from_bytes(blob[place + 4 : place + 8], "big")
            start = data + int.from_bytes(blob[place + 8 : place + 12], "big")
            found[tag] = _value(blob, kind, start)
    if not found.get(NAME) or not found.get(VERSION):
        raise ValueError("damaged: a package without a name or a version")
    version = f"{found.get(EPOCH, '0')}:{found[VERSION]}-{found.get(RELEASE, '')}"
    return build_row(found[NAME], version, found.get(ARCH, ""), found.get(SOURCERPM, ""))


def _value(blob: bytes, kind: int, start: int) -> str:
    if kind == INT32:
        return str(int.from_bytes(blob[start : start + 4], "big"))
    if kind != STRING:
        raise ValueError(f"damaged: a value of kind {kind} where there is none such")
    return decode(blob[start : blob.index(b"\0", start)])
