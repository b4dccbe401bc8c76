"""A job's files on the grid, as the launcher names them: ``LFN=path`` to fetch before, ``path=LFN`` to store after."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from headless.errors import ParameterError

__all__ = ["Staged", "parse_inputs", "parse_outputs"]


@dataclass(frozen=True)
class Staged:
    """One file.

    Attributes:
        lfn: on the grid; relative ones are below the user's home there.
        path: below the job's working folder, tidy.
    """

    lfn: str
    path: str


def parse_inputs(texts: Sequence[str]) -> list[Staged]:
    """Read ``LFN=path``; an LFN may hold a ``=``, a path may not.

    Raises:
        ParameterError: one is none, leads out of the working folder, or two have the same path.
    """
    found = [_parse("--in", text, *text.rpartition("=")[::2]) for text in texts]
    paths = [staged.path for staged in found]
    if len(set(paths)) < len(paths):
        raise ParameterError("--in: two files would have the same path")
    return found


def parse_outputs(texts: Sequence[str]) -> list[Staged]:
    """Read ``path=LFN``; an LFN may hold a ``=``, a path may not.

    Raises:
        ParameterError: one is none, leads out of the working folder, or two have the same LFN.
    """
    found = [_parse("--out", text, *text.partition("=")[::-2]) for text in texts]
    lfns = [staged.lfn for staged in found]
    if len(set(lfns)) < len(lfns):
        raise ParameterError("--out: two files would have the same LFN")
    return found


def _parse(option: str, text: str, lfn: str, path: str) -> Staged:
    form = "LFN=PATH" if option == "--in" else "PATH=LFN"
    lfn = lfn.removeprefix("alien:")
    if not lfn or not path or lfn.endswith("/") or path.endswith("/"):
        raise ParameterError(f"{option} {text!r}: give {form}, of one file")
    tidy = posixpath.normpath(path)
    if path.startswith("/") or tidy in (".", "..") or tidy.startswith("../"):
        raise ParameterError(f"{option} {text!r}: the path must be within the job's working folder")
    return Staged(lfn, tidy)
