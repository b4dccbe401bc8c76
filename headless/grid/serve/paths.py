"""LFNs as text: absolute, tidy, and of a kind that can be stored. No I/O."""

import posixpath
from collections.abc import Sequence

from headless.grid.errnos import EINVAL, ENAMETOOLONG
from headless.grid.messages import GridError
from headless.grid.serve.call import Session

__all__ = ["MAX_NAME", "MAX_PATH", "list_ancestors", "resolve", "split"]

MAX_NAME = 255  # bytes, as Linux has it: what is fetched must find a place on a disk
MAX_PATH = 2048  # bytes: PostgreSQL's keys have 2,700 at most


def resolve(session: Session, text: str) -> str:
    """The absolute path that a user means: relative to the working directory, ``~`` for the home.

    What goes above the root stays at the root, as on any file system.

    Raises:
        GridError: EINVAL: it is empty, or holds what no name may; ENAMETOOLONG.
    """
    if not text:
        raise GridError(EINVAL, "an empty path: give a name")
    if any(not character.isprintable() and character.isascii() for character in text):
        raise GridError(EINVAL, f"{text!r}: names with control characters are refused")
    if text == "~" or text.startswith("~/"):
        text = session.user.home + text[1:]
    path = posixpath.normpath(posixpath.join("/", session.directory, text)).replace("//", "/")
    _check_length(path)
    return path


def _check_length(path: str) -> None:
    try:
        encoded = path.encode()
    except UnicodeEncodeError as exc:
        raise GridError(EINVAL, f"{path!r} is no text: give it in UTF-8") from exc
    if len(encoded) > MAX_PATH or any(len(name) > MAX_NAME for name in encoded.split(b"/")):
        raise GridError(ENAMETOOLONG, f"{path[:60]}...: names have {MAX_NAME} bytes at most, paths {MAX_PATH}")


def split(path: str) -> tuple[str, str]:
    """An absolute path's folder and name; of the root: both empty."""
    return ("", "") if path == "/" else (posixpath.dirname(path), posixpath.basename(path))


def list_ancestors(path: str) -> Sequence[str]:
    """The folders above an absolute path, the root first; of the root: none."""
    names = path.split("/")[1:-1] if path != "/" else None
    if names is None:
        return []
    return ["/", *("/" + "/".join(names[: count + 1]) for count in range(len(names)))]
