"""New names on disk: of many that come into a folder at the same time one fsync tells the disk of all."""

import os
import sys
import threading
import time
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
    """

    turn: threading.Lock = field(default_factory=threading.Lock)
    callers: int = 0
    asked: int = 0
    synced: int = 0


class FolderSync:
    """Syncs folders for all threads of a run."""

    def __init__(self, count_writers: Callable[[], int]) -> None:
        """Args:
        count_writers: how many files are being written, those that are waited for here among them.
        """
        self._count_writers = count_writers
        self._lock = threading.Lock()
        self._folders: dict[tuple[int, int], _Folder] = {}

    def sync(self, descriptor: int) -> None:
        """Have on disk what is in an open folder now.

        Raises:
            OSError: it cannot be.
        """
        status = os.fstat(descriptor)
        key = status.st_dev, status.st_ino
        with self._lock:
            folder = self._folders.setdefault(key, _Folder())
            folder.callers += 1
            folder.asked += 1
            mine = folder.asked
        try:
            with folder.turn:
                if folder.synced < mine:
                    self._sync(descriptor, folder)
        finally:
            with self._lock:
                folder.callers -= 1
                if not folder.callers:
                    del self._folders[key]

    def _sync(self, descriptor: int, folder: _Folder) -> None:
        if self._count_writers() > folder.asked - folder.synced:
            time.sleep(GATHER_S)
        asked = folder.asked  # whose names are there: each has made its own before it came
        os.fsync(descriptor)
        folder.synced = asked
