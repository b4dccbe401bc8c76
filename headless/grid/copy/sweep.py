"""Removes what killed runs have left: temporary files that nobody holds any more."""

import fcntl
import os
import sys
from contextlib import suppress

from headless.grid.copy.local import is_temporary

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["Sweeper"]


class Sweeper:
    """Sweeps each folder once."""

    def __init__(self) -> None:
        self._last: dict[str, None] = {}

    def sweep(self, folder: str) -> None:
        """Remove the orphans in a folder. Never raises."""
        if folder in self._last:
            return
        if len(self._last) > 1000:  # the walk has long left the others
            self._last.clear()
        self._last[folder] = None
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if is_temporary(entry.name):
                    _remove_orphan(entry.path)


def _remove_orphan(path: str) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(descriptor)
