"""Patterns of ``find`` as conditions in SQL: ``*`` and ``%`` for anything, ``?`` for one character, or a regex.

Nothing that a user writes is run as an expression that can take for ever: wildcards are the database's, whose time
grows with the length only, and regular expressions are RE2's, for the same reason.
"""

from collections.abc import Callable

from sqlalchemy import ColumnElement, func

from headless.extras import tell_install
from headless.grid.errnos import EINVAL, ENOSYS
from headless.grid.messages import GridError
from headless.grid.serve.schema import entries

__all__ = ["build_match", "build_regex"]

MEMORY = 1 << 20  # bytes that a regular expression may take


def build_match(folder: str, pattern: str, is_sqlite: bool) -> ColumnElement[bool]:
    """The condition that the part of a path below a folder contains what a pattern stands for."""
    below = func.substr(entries.c.path, len(folder.rstrip("/")) + 2)
    if is_sqlite:  # whose LIKE takes a for A
        escaped = pattern.replace("[", "[[]").replace("%", "*")
        return below.op("GLOB", is_comparison=True)(f"*{escaped}*")
    escaped = pattern.replace("\\", "\\\\").replace("_", "\\_").replace("*", "%").replace("?", "_")
    return below.like(f"%{escaped}%", escape="\\")


def build_regex(pattern: str) -> Callable[[str], object]:
    """A function that tells whether a path, as seen from the folder, with a slash before it, has a match.

    Raises:
        GridError: EINVAL: it is no regular expression; ENOSYS: the library is not installed.
    """
    try:
        import re2
    except ImportError as exc:
        raise GridError(ENOSYS, f"find -r: the server needs google-re2: {tell_install('grid')}") from exc
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(pattern, options).search  # type: ignore[no-any-return]
    except re2.error as exc:
        reason = exc.args[0].decode(errors="replace") if isinstance(exc.args[0], bytes) else exc
        raise GridError(EINVAL, f"{pattern!r}: {reason}") from exc
