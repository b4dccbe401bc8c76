"""rpm's database of the kind ``bdb`` (the default up to rpm 4.15), read without rpm and without Berkeley DB.

A hash table in pages: each begins with a head of 26 bytes, and holds keys and values in turn, from its end towards its
beginning; a value that is too long for that lies in a chain of pages of its own. Which page a key belongs to does not
matter here: all of them are gone through. Berkeley DB's locks are not taken: a database that is written to meanwhile is
read again.
"""

import os
import time
from collections.abc import Iterator

from headless.inventory.gather.files import read
from headless.inventory.gather.rows import Row, Unreadable
from headless.inventory.gather.rpm_header import parse_header

__all__ = ["read_bdb"]

MAGIC = 0x061561  # of a hash table; in the byte order of the machine that has made it
HEAD, META = 26, 72  # bytes
FREE, HASH_UNSORTED, OVERFLOW, HASH = 0, 2, 7, 13
HERE, ELSEWHERE = 1, 3
ATTEMPTS, PAUSE_S = 10, 0.5
COUNTER_BYTES = 4  # the value that is no package, but the number of the last one


def read_bdb(path: str) -> list[Row]:
    """Read the packages of a database.

    Raises:
        Unreadable: it is damaged, encrypted, or none such.
    """
    try:
        blobs = _Table(_read_calmly(path)).find_values()
        rows = [parse_header(blob) for blob in blobs if len(blob) != COUNTER_BYTES]
    except OSError as exc:
        raise Unreadable(f"{path}: {exc.strerror or os.strerror(exc.errno or 0)}") from exc
    except (ValueError, LookupError) as exc:
        raise Unreadable(f"{path}: {exc}") from exc
    return [row for row in rows if row is not None]


def _read_calmly(path: str) -> bytes:
    """Read a file that stays as it is meanwhile."""
    for _ in range(ATTEMPTS):
        before = os.stat(path)
        data = read(path)
        after = os.stat(path)
        if (before.st_mtime_ns, before.st_size, before.st_ino) == (after.st_mtime_ns, after.st_size, after.st_ino):
            return data
        time.sleep(PAUSE_S)
    raise ValueError("it is being written to")


class _Table:
    def __init__(self, data: bytes) -> None:
        if len(data) < META:
            raise ValueError("damaged: it is shorter than its first page's head")
        self._data = data
        self._is_little = int.from_bytes(data[12:16], "little") == MAGIC
        if self._number(12) != MAGIC:
            raise ValueError("no hash table of Berkeley DB")
        self._size = self._number(20)
        self._last = self._number(32)
        if data[24]:
            raise ValueError("it is encrypted")
        if self._size < 512 or self._size & (self._size - 1) or len(data) < (self._last + 1) * self._size:
            raise ValueError("damaged: it is shorter than it says")

    def find_values(self) -> Iterator[bytes]:
        for page in range(1, self._last + 1):
            start = page * self._size
            kind = self._data[start + 25]
            if kind in (HASH_UNSORTED, HASH):
                yield from self._read_page(start)
            elif kind not in (FREE, OVERFLOW):
                raise ValueError(f"damaged: a page of kind {kind} where there is none such")

    def _read_page(self, start: int) -> Iterator[bytes]:
        count = self._number(start + 20, 2)
        if count % 2 or HEAD + 2 * count > self._size:
            raise ValueError("damaged: a page with a key that has no value")
        places = [self._number(start + HEAD + 2 * index, 2) for index in range(count)]
        for index in range(1, count, 2):
            place, end = places[index], places[index - 1]
            if not HEAD <= place < end <= self._size:
                raise ValueError("damaged: a value outside of its page")
            kind = self._data[start + place]
            if kind == HERE:
                yield self._data[start + place + 1 : start + end]
            elif kind == ELSEWHERE:
                yield self._read_chain(self._number(start + place + 4), self._number(start + place + 8))
            else:
                raise ValueError(f"damaged: a value of kind {kind} where there is none such")

    def _read_chain(self, page: int, length: int) -> bytes:
        if length > len(self._data):  # a chain may lead back to itself
            raise ValueError("damaged: a value that is longer than its file")
        parts, left = [], length
        while left > 0:
            start = page * self._size
            if not 0 < page <= self._last or self._data[start + 25] != OVERFLOW:
                raise ValueError("damaged: a chain of pages that leads nowhere")
            part = self._data[start + HEAD : start + HEAD + min(self._number(start + 22, 2), self._size - HEAD)]
            if not part:
                raise ValueError("damaged: an empty page in a chain")
            parts.append(part)
            left -= len(part)
            page = self._number(start + 16)
        if left:
            raise ValueError("damaged: a chain of pages that is not as long as it says")
        return b"".join(parts)

    def _number(self, place: int, size: int = 4) -> int:
        return int.from_bytes(self._data[place : place + size], "little" if self._is_little else "big")
