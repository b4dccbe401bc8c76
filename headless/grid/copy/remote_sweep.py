"""Names for what is on the way to its place in the catalogue, and the removal of what killed runs have left there."""

import os
import posixpath
import re
import socket
import time
import zlib
from contextlib import suppress

from headless.grid.copy.pool import SessionPool
from headless.grid.messages import GridError

__all__ = ["RemoteSweeper", "is_temporary", "name_temporary"]

SUFFIX = "headless-part"
FORMAT = re.compile(rf"\..*\.(?P<host>[0-9a-f]{{8}})-(?P<pid>\d+)-(?P<at>\d+)-[0-9a-f]+\.{SUFFIX}", re.DOTALL)
OLD_S = 2 * 86400  # another host's: whether it still lives cannot be asked


def name_temporary(lfn: str) -> str:
    """A hidden name beside an LFN, that tells which process it is of."""
    folder, name = posixpath.split(lfn)
    mark = f"{_host()}-{os.getpid()}-{int(time.time())}-{os.urandom(4).hex()}"
    return posixpath.join(folder, f".{name[:64]}.{mark}.{SUFFIX}")


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of those."""
    return FORMAT.fullmatch(name) is not None


class RemoteSweeper:
    """Sweeps each folder once, before the first file there is replaced."""

    def __init__(self) -> None:
        self._last: dict[str, None] = {}

    def sweep(self, pool: SessionPool, folder: str) -> None:
        """Remove the orphans in a folder of the grid; what cannot be removed stays."""
        if folder in self._last:
            return
        if len(self._last) > 1000:
            self._last.clear()
        self._last[folder] = None
        with suppress(GridError):
            for row in pool.ask("ls", "-nomsg", "-a", folder).rows:
                name = posixpath.basename(row.get("name", ""))
                if _is_orphan(name):
                    pool.ask("rm", "-nomsg", "-f", posixpath.join(folder, name))


def _is_orphan(name: str) -> bool:
    found = FORMAT.fullmatch(name)
    if found is None:
        return False
    if found["host"] == _host():
        return int(found["pid"]) != os.getpid() and not os.path.exists(f"/proc/{found['pid']}")
    return time.time() - int(found["at"]) > OLD_S


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"
