"""Debian's versions: deb-version(7)."""

import re

from headless.inventory.versions.parts import Key, Parts, parse_number

__all__ = ["build_key", "split"]

DIGITS = re.compile("([0-9]+)")
END = "\1"
"""Sorts where a text ends or a number begins: after a tilde, before all else."""


class _Order(dict[int, int]):
    """Where a character sorts: a tilde, then the end, then letters, then all others as they are numbered."""

    def __missing__(self, code: int) -> int:
        return min(code + 256, 0x10FFFF)


class _Texts(dict[str, str]):
    """What a text between numbers sorts by; the short ones, of which there are few, are kept."""

    def __missing__(self, text: str) -> str:
        ordered = text.translate(ORDER) + END
        if len(text) < 32 and len(self) < 4096:
            self[text] = ordered
        return ordered


ORDER = _Order({code: code for code in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"} | {ord("~"): 0})
TEXTS = _Texts()


def split(version: str) -> Parts:
    """Take a version apart: the epoch ends at the first colon, the revision begins after the last hyphen.

    What stands before a colon and is no number is no epoch.
    """
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "", version
    upstream, hyphen, revision = rest.rpartition("-")
    return Parts(epoch or None, upstream if hyphen else rest, revision if hyphen else None)


def build_key(parts: Parts) -> Key:
    """What a version is sorted by. A missing epoch or revision counts as 0."""
    return parse_number(parts.epoch or ""), _key(parts.upstream), _key(parts.release or "")


def _key(text: str) -> Key:
    """Text and numbers in turn: the text by ``ORDER``, each ended by ``END``."""
    pieces = DIGITS.split(text)
    if pieces[-1] or len(pieces) == 1:
        pieces += ["", ""]
    key: list[str | int] = []
    for text, digits in zip(pieces[0::2], [*pieces[1::2], ""], strict=True):
        key += (TEXTS[text], parse_number(digits))
    return tuple(key)
