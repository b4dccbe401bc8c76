"""Small notes beside the reports of a spool: when to try again, why one was refused.

A note that cannot be read is none, and one that cannot be written is done without: it spares a useless attempt, or
tells people something, and no report depends on it. Neither a link nor a pipe that somebody has put there is followed.
"""

import contextlib
import os
import sys
import time

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

__all__ = ["forget", "read_later", "read_mark", "write_later", "write_mark"]

LIMIT = 4096  # bytes of a note
FIRST_S, LONGEST_S = 300.0, 86400.0


def read_mark(path: str) -> str:
    """The note's text; empty if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read(LIMIT)
    except OSError:
        return ""


def write_mark(path: str, text: str) -> None:
    """Write a note, in place of an older one."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text[:LIMIT])


def forget(path: str) -> None:
    """Take a note away."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def read_later(path: str) -> tuple[int, float]:
    """How often sending what the note is of has failed, and how many seconds from now it is to be tried again."""
    try:
        count, until = read_mark(path).split()
        left = float(until) - time.time()
        return max(int(count), 0), left if 0 < left <= LONGEST_S + 1 else 0.0
    except ValueError:
        return 0, 0.0


def write_later(path: str) -> float:
    """It has failed once more: note it; return after how many seconds to try again: twice as many each time."""
    count = read_later(path)[0] + 1
    wait_s: float = min(FIRST_S * 2 ** min(count - 1, 10), LONGEST_S)
    write_mark(path, f"{count} {time.time() + wait_s:.0f}\n")
    return wait_s
