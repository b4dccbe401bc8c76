"""LFNs as people write them: relative, with ``~`` or ``%ALIEN`` for the home, with ``alien:`` in front."""

import posixpath
import re

__all__ = ["expand_home", "expand_lfn", "is_member_name", "strip_prefix"]


def strip_prefix(text: str) -> str:
    """Without the ``alien:`` that tells an LFN from a local path; ``alien://`` is one too."""
    if text.startswith("alien:"):
        text = text.removeprefix("alien:")
        if text.startswith("//"):
            text = "/" + text.lstrip("/")
    return text


def expand_home(text: str, home: str) -> str:
    """Put the home in; all else is left to the server, which knows the working directory.

    Args:
        text: a word of a command.
        home: of the user, with or without a slash at its end.
    """
    for sign in ("~", "%ALIEN", "/%ALIEN"):
        rest = text.removeprefix(sign)
        if text.startswith(sign) and rest[:1] in ("", "/"):
            return home.rstrip("/") + rest if rest else home.rstrip("/") or "/"
    return text


def expand_lfn(text: str, home: str, directory: str) -> str:
    """The absolute LFN, without ``.`` and ``..``; a slash at the end is kept, for it says that a folder is meant."""
    path = expand_home(strip_prefix(text), home)
    whole = posixpath.normpath(posixpath.join("/", directory, path))
    whole = "/" + whole.lstrip("/")
    return whole + "/" if path.endswith("/") and whole != "/" else whole


def is_member_name(name: str) -> bool:
    """Whether a storage can be asked for a member of an archive by this name, which is part of a URL then."""
    return re.fullmatch(r"[^\x00-\x1f\x7f&?#]+", name) is not None
