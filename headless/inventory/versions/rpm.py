"""rpm's versions: rpm-version(7), and the tilde and caret of rpm's manual."""

import re

from headless.inventory.versions.parts import Key, Parts, parse_number

__all__ = ["build_key", "split"]

SEGMENTS = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
TILDE, END, CARET, LETTERS, NUMBER = range(5)
"""In their order: 1.0~rc1 < 1.0 < 1.0^git1 < 1.0a < 1.0.1."""


def split(version: str) -> Parts:
    """Take ``[EPOCH:]VERSION[-RELEASE]`` apart.

    What stands before a colon and is no number is no epoch, but for the "(none)" with which rpm's own formats tell that
    there is none.
    """
    epoch, colon, rest = version.partition(":")
    if epoch == "(none)":
        epoch = "0"
    elif not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "", version
    upstream, hyphen, release = rest.rpartition("-")
    return Parts(epoch or None, upstream if hyphen else rest, release if hyphen else None)


def build_key(parts: Parts) -> Key:
    """What a version is sorted by. A missing epoch counts as 0, a missing release as older than any."""
    return parse_number(parts.epoch or ""), _key(parts.upstream), _release_key(parts.release)


def _release_key(release: str | None) -> Key:
    return () if release is None else _key(release)


def _key(text: str) -> Key:
    """What kind of segment, and the segment, in turn; whatever else there is only stands between segments."""
    key: list[str | int] = []
    for segment in SEGMENTS.findall(text):
        if segment == "~":
            key.append(TILDE)
        elif segment == "^":
            key.append(CARET)
        elif segment[0] <= "9":
            key += (NUMBER, parse_number(segment))
        else:
            key += (LETTERS, segment)
    key.append(END)
    return tuple(key)
