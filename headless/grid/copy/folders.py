"""Which targets are there already: one listing a folder, instead of a question a file."""

import posixpath

from headless.grid.copy.pool import SessionPool
from headless.grid.errnos import ENOENT
from headless.grid.messages import GridError

__all__ = ["TargetFolders"]

KEPT = 8  # folders; a walk comes back to few


class TargetFolders:
    """Folders of the grid that files are written to; those that are missing are made."""

    def __init__(self, pool: SessionPool, *, is_dry: bool = False) -> None:
        """Args:
        pool: sessions.
        is_dry: whether nothing is written, and no folder made.
        """
        self._pool = pool
        self._is_dry = is_dry
        self._names: dict[str, frozenset[str] | None] = {}

    def is_new(self, lfn: str) -> bool:
        """Whether nothing is at an LFN, as far as a listing of its folder tells; the folder is there afterwards."""
        folder, name = posixpath.split(lfn)
        if folder not in self._names:
            if len(self._names) >= KEPT:
                del self._names[next(iter(self._names))]
            self._names[folder] = self._list(folder)
        names = self._names[folder]
        return names is not None and name not in names

    def _list(self, folder: str) -> frozenset[str] | None:
        """The names in it; ``None`` if they are not to be had: then each file's own question will tell why."""
        try:
            reply = self._pool.run("ls", "-nomsg", "-a", folder)
            if reply.code == ENOENT and self._is_dry:
                return frozenset()
            if reply.code == ENOENT:
                made = self._pool.run("mkdir", "-nomsg", "-p", folder)
                return None if made.code else frozenset()
        except GridError:
            return None
        if reply.code:
            return None
        return frozenset(posixpath.basename(row.get("name", "").rstrip("/")) for row in reply.rows)
