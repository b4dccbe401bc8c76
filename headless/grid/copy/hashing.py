"""MD5 of files of this machine, also while they are being written or read by others."""

import hashlib
import os
import sys
import threading

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["Hashing", "hash_file"]

PIECE = 1 << 20


def hash_file(descriptor: int) -> str:
    """The md5 of an open file, from its first byte; its position is left alone.

    Raises:
        OSError: as pread(2) does.
    """
    digest, offset = hashlib.md5(usedforsecurity=False), 0
    while data := os.pread(descriptor, PIECE, offset):
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()


class Hashing:
    """The md5 of an open file, computed in a thread of its own while the file's bytes become known to be there.

    A file that is long is read when its bytes are still in memory, and the time is that of the copying.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = hashlib.md5(usedforsecurity=False)
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
        self.stop()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def stop(self) -> None:
        """End the thread; afterwards the descriptor may be closed."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (count := self._wait()) and (data := os.pread(self._descriptor, count, self._offset)):
                self._digest.update(data)
                self._offset += len(data)
        except OSError as exc:
            self._error = exc

    def _wait(self) -> int:
        """How many bytes may be read next; 0 at the end."""
        with self._changed:
            while self._allowed <= self._offset and not self._is_over:
                self._changed.wait()
            return min(PIECE, self._allowed - self._offset)
