"""Alpine's versions: ``DIGITS{.DIGITS}[LETTER]{_SUFFIX[DIGITS]}[~HASH][-rN]``, apk-package(5)."""

import re

from headless.inventory.versions.parts import Key, Parts, parse_number

__all__ = ["build_key", "split"]

RELEASE = re.compile(r"-r([0-9]+)\Z")
NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
LETTER_AFTER = re.compile("[a-z]")
SUFFIX = re.compile(r"_(alpha|beta|pre|rc|cvs|svn|git|hg|p)([0-9]*)")
HASH_AFTER = re.compile("~[0-9a-f]+")
BEFORE = ("alpha", "beta", "pre", "rc")
AFTER = ("cvs", "svn", "git", "hg", "p")

EARLY, ODD, END, HASH, SUFFIX_NUMBER, LATE, LETTER, NUMBER = range(8)
"""What may come next, in its order: 1_rc < 1 < 1~abc < 1_p < 1a < 1.1."""


def split(version: str) -> Parts:
    """Take ``VERSION[-rN]`` apart; there are no epochs."""
    match = RELEASE.search(version)
    return Parts(None, version[: match.start()], match[1]) if match else Parts(None, version, None)


def build_key(parts: Parts) -> Key:
    """What a version is sorted by. A missing release is older than ``-r0``."""
    return _key(parts.upstream), -1 if parts.release is None else parse_number(parts.release)


def _key(text: str) -> Key:
    """What is next, and its value, in turn. What is not in the grammar is older than nothing, and sorts by its text."""
    key: list[str | int] = []
    at = 0
    if numbers := NUMBERS.match(text):
        first, *others = numbers[0].split(".")
        key += (NUMBER, parse_number(first))
        for digits in others:
            # With a leading zero they are a fraction: 1.02 < 1.1, and 1.1 < 1.02 never.
            key += (NUMBER, 0, digits) if digits[0] == "0" else (NUMBER, 1, parse_number(digits))
        at = numbers.end()
        if letter := LETTER_AFTER.match(text, at):
            key += (LETTER, letter[0])
            at = letter.end()
        at = _add_suffixes(key, text, at)
    if at < len(text):
        key += (ODD, text[at:])
    key.append(END)
    return tuple(key)


def _add_suffixes(key: list[str | int], text: str, at: int) -> int:
    """Add what follows the numbers; return where it ends."""
    while suffix := SUFFIX.match(text, at):
        name = suffix[1]
        key += (EARLY, BEFORE.index(name)) if name in BEFORE else (LATE, AFTER.index(name))
        if suffix[2]:
            key += (SUFFIX_NUMBER, parse_number(suffix[2]))
        at = suffix.end()
    if commit := HASH_AFTER.match(text, at):
        key += (HASH, commit[0])
        at = commit.end()
    return at
