"""A source or a target, as it is typed."""

import posixpath
import re
from dataclasses import dataclass

from headless.grid.copy.specs import SPECS
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError
from headless.grid.names import expand_lfn, strip_prefix

__all__ = ["Place", "parse_place"]

WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Place:
    """A source or a target.

    Attributes:
        path: absolute, without a slash at its end.
        is_local: whether it is on this machine.
        is_folder: whether a slash was at its end: then it must be one.
        specs: storage that was named behind it.
        is_marked: whether a prefix said where it is.
    """

    path: str
    is_local: bool
    is_folder: bool = False
    specs: str = ""
    is_marked: bool = True

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for any number of names."""
        return WILD.search(self.path) is not None

    def __str__(self) -> str:
        hint = "" if self.is_marked else " (on the grid; for this machine write file:)"
        return f"{'file' if self.is_local else 'alien'}:{self.path}{hint}"


def parse_place(text: str, directory: str, home: str, folder: str) -> Place:
    """Read one.

    Args:
        text: as it is typed.
        directory: what LFNs are relative to.
        home: what ``~`` and ``%ALIEN`` stand for on the grid.
        folder: what paths of this machine are relative to.

    Raises:
        GridError: EINVAL: it names nothing.
    """
    specs = ""
    if found := re.fullmatch(rf"(.*)@({SPECS})", text, re.DOTALL):
        text, specs = found[1], found[2]
    is_local = text.startswith("file:")
    is_marked = is_local or text.startswith("alien:")
    path = text.removeprefix("file:") if is_local else strip_prefix(text)
    if is_local and path.startswith("//"):
        path = "/" + path.lstrip("/")
    if not path or "\0" in path:
        raise GridError(EINVAL, f"{text!r} names no file")
    is_folder = path.endswith(("/", "/.", "/..")) or path in (".", "..", "~", "%ALIEN")
    whole = posixpath.normpath(posixpath.join(folder, path)) if is_local else expand_lfn(path, home, directory)
    return Place("/" + whole.strip("/"), is_local, is_folder, specs, is_marked)
