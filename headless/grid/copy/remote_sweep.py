"""Names for what is on the way to its place in the catalogue, or from it; and what becomes of what killed runs leave.

A new file that never got to its place is removed. A replaced one is too, but only if there is a file in its place:
else it goes back, for it may be the only one that is left.
"""

import os
import posixpath
import re
import socket
import time
import zlib
from contextlib import suppress

from headless.grid.copy.pool import SessionPool
from headless.grid.errnos import ENOENT
from headless.grid.messages import GridError

__all__ = ["RemoteSweeper", "is_temporary", "name_replaced", "name_temporary"]

FORMAT = re.compile(
    r"\.(?P<name>.*)\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<at>\d+)-[0-9a-f]{8}\.headless-(?P<kind>part|old|cut)",
    re.DOTALL,
)
LONGEST = 180  # characters of a name that are kept in a hidden one: names have 255 bytes, and a mark is part of it
OLD_S = 2 * 86400  # another host's: whether it still lives cannot be asked


def name_temporary(lfn: str) -> str:
    """A hidden name beside an LFN for what is to go there, that tells which process it is of."""
    return _hide(lfn, "part", 64)


def name_replaced(lfn: str) -> str:
    """A hidden name beside an LFN for what was there; of a very long name not all is kept, and it never goes back."""
    is_whole = len(posixpath.basename(lfn).encode()) <= LONGEST
    return _hide(lfn, "old" if is_whole else "cut", LONGEST if is_whole else 64)


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of those."""
    return FORMAT.fullmatch(name) is not None


class RemoteSweeper:
    """Sweeps each folder once, before the first file there is written with ``-f``."""

    def __init__(self) -> None:
        self._last: dict[str, bool] = {}

    def sweep(self, pool: SessionPool, folder: str) -> bool:
        """Settle the orphans in a folder of the grid, and say whether there were any; what cannot be settled stays."""
        if folder in self._last:
            return self._last[folder]
        if len(self._last) > 1000:
            self._last.clear()
        self._last[folder] = False
        with suppress(GridError):
            for row in pool.ask("ls", "-nomsg", "-a", folder).rows:
                found = FORMAT.fullmatch(posixpath.basename(row.get("name", "")))
                if found is not None and _is_orphan(found):
                    self._last[folder] = True
                    _settle(pool, folder, found)
        return self._last[folder]


def _settle(pool: SessionPool, folder: str, found: re.Match[str]) -> None:
    hidden, place = (posixpath.join(folder, name) for name in (found[0], found["name"]))
    if found["kind"] == "old" and pool.run("stat", "-nomsg", place).code == ENOENT:
        pool.ask("mv", "-nomsg", hidden, place)
    elif found["kind"] != "cut":
        pool.ask("rm", "-nomsg", "-f", hidden)


def _hide(lfn: str, kind: str, longest: int) -> str:
    folder, name = posixpath.split(lfn)
    mark = f"{_host()}-{os.getpid()}-{int(time.time())}-{os.urandom(4).hex()}"
    return posixpath.join(folder, f".{name[:longest]}.{mark}.headless-{kind}")


def _is_orphan(found: re.Match[str]) -> bool:
    if found["host"] == _host():
        return int(found["pid"]) != os.getpid() and not os.path.exists(f"/proc/{found['pid']}")
    return time.time() - int(found["at"]) > OLD_S


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"
