"""MD5 and other checksums of files of this machine, also while they are being written or read by others."""

import hashlib
import os
import sys
import threading
import zlib
from collections.abc import Sequence

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["STRONG", "Hashing", "Sums", "hash_file", "hash_sums", "select_kinds"]

PIECE = 1 << 20
STRONG = ("md5", "crc32c", "adler32")


class Sums:
    """Checksums of the same bytes: the md5, and others in XRootD's words: ``crc32c``, ``adler32``."""

    def __init__(self, kinds: Sequence[str] = ()) -> None:
        """Args:
        kinds: beside the md5.
        """
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._numbers = {kind: 1 if kind == "adler32" else 0 for kind in kinds if kind != "md5"}

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self._md5.update(data)
        for kind, number in self._numbers.items():
            self._numbers[kind] = zlib.adler32(data, number) if kind == "adler32" else _extend_crc32c(number, data)

    def read(self) -> dict[str, str]:
        """All of them, by kind, in hexadecimal digits."""
        return {"md5": self._md5.hexdigest(), **{kind: f"{number:08x}" for kind, number in self._numbers.items()}}


def select_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Those that this machine computes in no time."""
    return tuple(kind for kind in kinds if kind != "crc32c" or _knows_crc32c())


def _knows_crc32c() -> bool:
    try:
        import google_crc32c
    except ImportError:
        return False
    return google_crc32c.implementation == "c"


def _extend_crc32c(number: int, data: bytes) -> int:
    import google_crc32c

    return int(google_crc32c.extend(number, data))


def hash_file(descriptor: int) -> str:
    """The md5 of an open file, from its first byte; its position is left alone.

    Raises:
        OSError: as pread(2) does.
    """
    return hash_sums(descriptor, ())["md5"]


def hash_sums(descriptor: int, kinds: Sequence[str]) -> dict[str, str]:
    """The md5 of an open file, and checksums of more kinds, from its first byte; its position is left alone.

    Raises:
        OSError: as pread(2) does.
    """
    sums, offset = Sums(kinds), 0
    while data := os.pread(descriptor, PIECE, offset):
        sums.update(data)
        offset += len(data)
    return sums.read()


class Hashing:
    """Checksums of an open file, computed in a thread of its own while the file's bytes become known to be there.

    A file that is long is read when its bytes are still in memory, and the time is that of the copying.

    Attributes:
        sums: what they are; to be read when it has ended.
    """

    def __init__(self, descriptor: int, kinds: Sequence[str] = ()) -> None:
        self._descriptor = descriptor
        self.sums = Sums(kinds)
        self._offset = self._allowed = 0
        self._is_over = False
        self._error: OSError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def allow(self, size: int) -> None:
        """The first ``size`` bytes are there."""
        with self._changed:
            self._allowed = max(self._allowed, size)
            self._changed.notify()

    def finish(self, size: int) -> str:
        """The md5 of the first ``size`` bytes, or of those that are there.

        Raises:
            OSError: the file cannot be read.
        """
        self.allow(size)
        self._end()
        if self._error is not None:
            raise self._error
        return self.sums.read()["md5"]

    def stop(self) -> None:
        """End the thread, whatever is left to be read; afterwards the descriptor may be closed."""
        with self._changed:
            self._allowed = 0
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (count := self._wait()) and (data := os.pread(self._descriptor, count, self._offset)):
                self.sums.update(data)
                self._offset += len(data)
        except OSError as exc:
            self._error = exc

    def _wait(self) -> int:
        """How many bytes may be read next; 0 at the end."""
        with self._changed:
            while self._allowed <= self._offset and not self._is_over:
                self._changed.wait()
            return max(min(PIECE, self._allowed - self._offset), 0)
