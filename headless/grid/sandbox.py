"""A grid job's folder: what of it is output."""

import glob
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from headless.grid.errnos import ENOENT
from headless.grid.messages import GridError

__all__ = ["Made", "Sandbox"]


@dataclass(frozen=True)
class Made:
    """A file to be stored.

    Attributes:
        name: in the sandbox.
        specs: storage.
        members: of an archive, the names of the sandbox's files that are in it.
    """

    name: str
    specs: str
    members: tuple[str, ...] = ()


class Sandbox:
    """The folder that a job's program runs in.

    Attributes:
        folder: absolute.
    """

    def __init__(self, folder: str) -> None:
        """It need not be there yet."""
        self.folder = folder

    def collect(self, archive: str, patterns: Sequence[str], specs: str) -> list[Made]:
        """The files that one entry of ``Output`` stands for; an archive is made.

        Raises:
            GridError: ENOENT: a file that is named, without a wildcard, was not made.
        """
        names = list(dict.fromkeys(name for pattern in patterns for name in self._match(pattern)))
        if not archive:
            return [Made(name, specs) for name in names]
        with zipfile.ZipFile(
            os.path.join(self.folder, archive), "w", zipfile.ZIP_DEFLATED, strict_timestamps=False
        ) as file:
            for name in names:
                if name != archive:
                    file.write(os.path.join(self.folder, name), name)
        return [Made(archive, specs, tuple(name for name in names if name != archive))]

    def _match(self, pattern: str) -> list[str]:
        names = sorted(glob.glob(pattern, root_dir=self.folder, recursive=True, include_hidden=True))
        files = [name for name in names if self._is_own_file(name)]
        if not files and not glob.has_magic(pattern):
            raise GridError(ENOENT, f"{pattern} was not made")
        return files

    def _is_own_file(self, name: str) -> bool:
        """Whether it is a file of the sandbox, and no way out of it."""
        path = os.path.realpath(os.path.join(self.folder, name))
        return os.path.isfile(path) and path.startswith(os.path.realpath(self.folder) + os.sep)

    def read_tail(self, name: str, size: int) -> str:
        """The last bytes of a file, as text; empty if there is none."""
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                file.seek(max(0, os.path.getsize(file.name) - size))
                return file.read(size).decode(errors="replace").replace("\0", "\ufffd")
        except OSError:
            return ""
