"""New names on disk: whoever puts files into folders goes on, and one fsync of a folder is for all that came."""

import os
import sys
import threading
from dataclasses import dataclass, field

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["FolderSync"]


@dataclass
class _Folder:
    """One with new names.

    Attributes:
        descriptor: it is open.
        paths: of the files that were put into it.
    """

    descriptor: int
    paths: list[str] = field(default_factory=list)


class FolderSync:
    """The folders that the threads of a run have put files into."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[tuple[int, int], _Folder] = {}
        self._broken: dict[tuple[int, int], OSError] = {}
        self._lost: dict[str, OSError] = {}

    def note(self, path: str, descriptor: int) -> None:
        """A file has come into an open folder; nobody is to be told before the next :meth:`sync`.

        Args:
            path: of the file.
            descriptor: of its folder; the caller may close it.
        """
        status = os.fstat(descriptor)
        with self._lock:
            folder = self._folders.get((status.st_dev, status.st_ino))
            if folder is None:
                folder = self._folders[status.st_dev, status.st_ino] = _Folder(os.dup(descriptor))
            folder.paths.append(path)

    def sync(self) -> None:
        """Have on disk all that was noted; of what cannot be :meth:`take_error` tells.

        A system tells of what it has lost once, perhaps: after an error no further fsync of that folder is believed.
        """
        with self._lock:
            folders, self._folders = self._folders, {}
        for key, folder in folders.items():
            try:
                os.fsync(folder.descriptor)
            except OSError as exc:
                self._broken.setdefault(key, exc)
            finally:
                os.close(folder.descriptor)
            if key in self._broken:
                self._lost |= dict.fromkeys(folder.paths, self._broken[key])

    def take_error(self, path: str) -> OSError | None:
        """Why the name of a file that was noted is not on disk, if it is not; for the thread that syncs."""
        return self._lost.pop(path, None)
