"""A storage's disk, looked at while the storage runs: one that is unmounted leaves an empty folder in its place.

A look costs one read of a small file, which the disk itself is asked for; and it is done in a thread of its own, for a
disk that hangs may hold up nobody else.
"""

import asyncio
import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from headless.execution.lock import LOCK
from headless.grid.serve.storage_folder import DATA, KEY

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["StorageDisk"]

WRITE_S = 30.0  # between two tries to write, which wake a disk that sleeps
LIMIT_S = 30.0  # in which a disk gives one page; one that is woken up needs ten
OWN = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # that this process lacks something tells nothing of a disk


class StorageDisk:
    """What a storage's folder was when its storage was started, and whether it still is."""

    def __init__(self, path: str, key: str, limit_s: float = LIMIT_S) -> None:
        """Args:
        path: of the storage's folder.
        key: the storage's own, as XRootD wants it.
        limit_s: seconds after which a disk that does not answer is gone.
        """
        self._data = os.path.join(path, DATA)
        self._key_file = os.path.join(path, KEY)
        self._lock_file = os.path.join(path, LOCK)
        self._key = key.strip().encode()
        self._limit_s = limit_s
        self._held = -1
        self._write_at = 0.0
        self._pending: asyncio.Future[str | None] | None = None
        self.identity = (0, 0)
        """The device and the inode of the folder with the files."""
        self.is_read_only = False
        """Whether nothing could be written there, the last time: as to a disk that has errors."""
        self.room = sys.maxsize
        """Bytes that were free at the last look."""

    def take(self) -> None:
        """What is there now is the storage.

        Raises:
            OSError: nothing is.
        """
        self.release()
        # Held open, for some file systems number a folder anew that nobody has open.
        self._held = os.open(self._data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        found = os.fstat(self._held)
        self.identity = (found.st_dev, found.st_ino)
        self._measure()

    def release(self) -> None:
        """Hold nothing open: a disk that is gone can be unmounted then."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    async def look(self) -> str:
        """Why the disk is gone; empty if it is there."""
        return await self._ask(self._find_fault) or ""

    async def look_back(self) -> str:
        """Why what is there now is not the disk that has gone; empty if it is that."""
        reason = await self._ask(self._find_stranger)
        return "this process could not look" if reason is None else reason

    def _find_fault(self) -> str:
        if reason := self._compare_folder(self.identity):
            return reason
        with suppress(FileNotFoundError):  # whoever has removed it has not taken the disk away
            self._read_key()
        if self.is_read_only or time.monotonic() >= self._write_at:
            self._write_at = time.monotonic() + WRITE_S
            self.is_read_only = not self._is_writable()
        self._measure()
        return ""

    def _find_stranger(self) -> str:
        if reason := self._compare_folder((None, self.identity[1])):  # mounted anew it may be another device
            return reason
        return "" if self._read_key() == self._key else f"{self._key_file} is another storage's"

    def _measure(self) -> None:
        found = os.statvfs(self._data)
        self.room = found.f_bavail * found.f_frsize

    def _compare_folder(self, identity: tuple[int | None, int]) -> str:
        found, (device, inode) = os.stat(self._data), identity
        if found.st_ino == inode and device in (None, found.st_dev):
            return ""
        return f"{self._data} is not the folder that it was: is the disk mounted? If it is, start the server again"

    def _is_writable(self) -> bool:
        """By trying: not every Linux tells that it has stopped to write to a disk that has errors."""
        try:
            os.utime(self._lock_file)
        except OSError as exc:
            return exc.errno not in (errno.EROFS, errno.EIO)
        return True

    def _read_key(self) -> bytes:
        with open(self._key_file, "rb", buffering=0) as file:
            if sys.platform == "linux":  # what memory has of it tells nothing of the disk
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return file.read().strip()

    async def _ask(self, function: Callable[[], str]) -> str | None:
        """What a look says; one that hangs is waited for by the next ones too, and not doubled.

        ``None``: nothing.
        """
        asked = self._pending
        if asked is None:
            asked = self._pending = asyncio.get_running_loop().create_future()
            threading.Thread(target=_run, args=(function, asked), name="disk", daemon=True).start()
        done, _ = await asyncio.wait([asked], timeout=self._limit_s)
        if not done:
            return f"its disk has not answered for {self._limit_s:.0f} s"
        if self._pending is asked:
            self._pending = None
        return asked.result()


def _run(function: Callable[[], str], answer: "asyncio.Future[str | None]") -> None:
    try:
        reason: str | None = function()
    except OSError as exc:
        reason = None if exc.errno in OWN else f"{exc.filename or 'its disk'}: {exc.strerror}"
    with suppress(RuntimeError):  # the server has ended meanwhile
        answer.get_loop().call_soon_threadsafe(answer.set_result, reason)
