"""Reading the audit log: is it whole, and what does it say. It is streamed: its size is of no matter."""

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from headless.errors import ParameterError
from headless.server.audit import LINE_LIMIT, NO_LINE, lock_audit, parse_line

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

import fcntl

__all__ = ["AuditLine", "Verdict", "read_audit", "verify_audit"]

NOTES_LIMIT = 100


@dataclass(frozen=True)
class AuditLine:
    """One line: its number from 1 on, the SHA-256 of its bytes, and what it says (``None``: torn, or not ours)."""

    number: int
    digest: str
    entry: dict[str, Any] | None


@dataclass(frozen=True)
class Verdict:
    """What :func:`verify_audit` has found.

    Attributes:
        problem: the first thing that does not fit, as one clause; empty if all does.
        lines: how many there are, up to the problem.
        first: time stamp of the first line that has one; empty if there is none.
        last: of the last one.
        head: SHA-256 of the last line; 64 zeros if there is none.
        notes: what is as it should be and still worth knowing: torn lines, lines that could not be written.
    """

    problem: str
    lines: int
    first: str
    last: str
    head: str
    notes: tuple[str, ...]


def read_audit(path: str) -> Iterator[AuditLine]:
    """Yield the lines that are there at the time of the call; those that come meanwhile are left out.

    Raises:
        ParameterError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            # A writer holds the lock while a line is half there.
            lock_audit(file.fileno(), fcntl.LOCK_SH)
            size = os.fstat(file.fileno()).st_size
            fcntl.flock(file, fcntl.LOCK_UN)
            yield from _split(file, size)
    except OSError as exc:
        raise ParameterError(f"the audit log {path} cannot be read: {exc.strerror}") from exc


def verify_audit(path: str, head: str = "") -> Verdict:
    """Check that each line follows the one before.

    What is cut off at the end cannot be seen from the file: only with a ``head`` that was noted elsewhere.

    Args:
        path: of the log.
        head: SHA-256 of a line that must be there; empty: of none.

    Raises:
        ParameterError: the file cannot be read.
    """
    number, first, last, previous = 0, "", "", NO_LINE
    whole, has_head = NO_LINE, not head or head == NO_LINE
    notes: list[str] = []
    for line in read_audit(path):
        problem = _find_problem(line, previous, whole)
        if problem:
            return Verdict(problem, number, first, last, previous, tuple(notes))
        number, previous = line.number, line.digest
        has_head = has_head or line.digest == head
        if line.entry is None:
            _note(notes, f"line {number} is torn: the machine went down, or its disk was full")
            continue
        first, last, whole = first or line.entry["time"], line.entry["time"], line.digest
        if "missing" in line.entry:
            _note(notes, f"before line {number} {line.entry['missing']} could not be written")
    problem = "" if has_head else f"no line has the head {head}: the log was cut off, or changed since that was noted"
    return Verdict(problem, number, first, last, previous, tuple(notes))


def _note(notes: list[str], text: str) -> None:
    if len(notes) < NOTES_LIMIT:
        notes.append(text)


def _find_problem(line: AuditLine, previous: str, whole: str) -> str:
    """Why a line does not follow; empty if it does, or if it is torn: then the next whole one tells.

    Args:
        line: that is looked at.
        previous: SHA-256 of the line before.
        whole: of the last whole line before; another one than ``previous`` if there are torn ones in between.
    """
    number, entry = line.number, line.entry
    if entry is None:
        return ""
    if entry["previous"] != previous:
        if number == 1:
            return "line 1 is not the first one: lines before it were removed, or it was changed"
        return (
            f"line {number} does not follow line {number - 1}: line {number - 1} was changed, or lines were removed,"
            " added or moved there"
        )
    # Whoever writes after a torn line says so, and what stood before it.
    if whole != previous and entry.get("torn") != whole:
        return f"line {number - 1} was changed, or lines before it were"
    return ""


def _split(file: IO[bytes], size: int) -> Iterator[AuditLine]:
    number, left = 0, size
    while left > 0:
        number += 1
        digest = hashlib.sha256()
        line: bytes | None = None
        while left > 0:
            piece = file.readline(min(left, LINE_LIMIT + 1))
            if not piece:
                return  # it has become shorter meanwhile: the next look tells
            left -= len(piece)
            content = piece.removesuffix(b"\n")
            digest.update(content)
            line = content if line is None else b""  # longer than any of ours
            if piece.endswith(b"\n"):
                break
        yield AuditLine(number, digest.hexdigest(), parse_line(line or b""))
