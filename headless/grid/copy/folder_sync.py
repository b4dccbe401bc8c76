"""New names on disk: of many that come into a folder at the same time one fsync tells the disk of all."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["FolderSync"]

GATHER_S = 0.01  # in which others may come; shorter than what they need for a file of their own


@dataclass
class _Folder:
    """One that somebody wants synced.

    Attributes:
        callers: that are here now.
        asked: how many have come so far.
        synced: how many of them the last fsync was for.
        error: of an fsync; none after it is believed as long as somebody is here whose name it was for.
    """

    turn: threading.Lock = field(default_factory=threading.Lock)
    callers: int = 0
    asked: int = 0
    synced: int = 0
    error: OSError | None = None


class FolderSync:
    """Syncs folders for all threads of a run."""

    def __init__(self, count_writers: Callable[[], int]) -> None:
        """Args:
        count_writers: how many files are being written, those that are waited for here among them.
        """
        self._count_writers = count_writers
        self._arrival = threading.Condition()
        self._folders: dict[tuple[int, int], _Folder] = {}

    def sync(self, descriptor: int) -> None:
        """Have on disk what is in an open folder now.

        Raises:
            OSError: it cannot be.
        """
        status = os.fstat(descriptor)
        key = status.st_dev, status.st_ino
        with self._arrival:
            folder = self._folders.setdefault(key, _Folder())
            folder.callers += 1
            folder.asked += 1
            mine = folder.asked
            if self._is_complete(folder):
                self._arrival.notify_all()
        try:
            with folder.turn:
                if folder.error is None and folder.synced < mine:
                    self._sync(descriptor, folder)
                if folder.error is not None:
                    raise OSError(folder.error.errno, folder.error.strerror)
        finally:
            with self._arrival:
                folder.callers -= 1
                if not folder.callers:
                    del self._folders[key]

    def _sync(self, descriptor: int, folder: _Folder) -> None:
        with self._arrival:
            self._arrival.wait_for(lambda: self._is_complete(folder), GATHER_S)
            asked = folder.asked  # whose names are there: each has made its own before it came
        try:
            os.fsync(descriptor)
        except OSError as exc:  # told once by the system, perhaps: the next fsync may succeed without the names
            folder.error = exc
        folder.synced = asked

    def _is_complete(self, folder: _Folder) -> bool:
        """Whether nobody else is to be waited for."""
        return folder.asked - folder.synced >= self._count_writers()
