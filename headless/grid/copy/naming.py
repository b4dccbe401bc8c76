"""What the copies are called."""

import posixpath

from headless.grid.errnos import ELOOP
from headless.grid.messages import GridError

__all__ = ["check_relative", "name_below", "name_file"]


def name_below(source: str, keeps_name: bool, parents: int, prefix: int | None) -> str:
    """The folder below the target in which the content of a source folder is laid.

    Args:
        source: the folder, absolute.
        keeps_name: whether its own name is kept, as without a slash at its end.
        parents: how many of the folders above are kept too.
        prefix: how many leading folders of its path are dropped, all others being kept; ``None`` for the rule above.

    Returns:
        A relative path; empty for the target itself.
    """
    names = [name for name in source.split("/") if name]
    if prefix is not None:
        kept = names if keeps_name else names[:-1]
        return "/".join(kept[prefix:])
    count = parents + keeps_name
    return "/".join(names[-count:]) if count else ""


def name_file(source: str, parents: int, prefix: int | None) -> str:
    """Where below a target folder a single file is laid; see :func:`name_below`."""
    folder, name = posixpath.split(source)
    return posixpath.join(name_below(folder, prefix is not None, parents, prefix), name)


def check_relative(path: str) -> None:
    """See that a path that somebody else has given leads to below where it is put.

    Raises:
        GridError: ELOOP: it does not.
    """
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise GridError(ELOOP, f"{path[:200]!r} leads out of its folder: it is not copied")
