"""A source or a target, as it is typed."""

import posixpath
import re
from dataclasses import dataclass

from headless.grid.copy.specs import SPECS
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError
from headless.grid.names import expand_lfn, strip_prefix

__all__ = ["Place", "check_specs", "find_specs", "parse_place"]

MEANT = re.compile(r"@(?:(?:disk|tape)[:=][^/@]*|[^/@]*::[^/@]*)\Z")
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


def find_specs(text: str) -> str:
    """The storage that is named behind a place; empty if none is."""
    found = re.fullmatch(rf".*@({SPECS})", text, re.DOTALL)
    return found[1] if found else ""


def check_specs(text: str) -> None:
    """Refuse a target that ends in what was meant to name storage: it would become the name of a file.

    Raises:
        GridError: EINVAL: it does.
    """
    if not text.startswith("file:") and not find_specs(text) and (found := MEANT.search(text)):
        raise GridError(EINVAL, f"{text!r}: {found[0]!r} names no storage: give @disk:2 or @VO::SITE::NAME")


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
    specs = find_specs(text)
    text = text.removesuffix(f"@{specs}") if specs else text
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
