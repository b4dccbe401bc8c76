"""What passes between us and the server, written to a file where ``ALIENPY_DEBUG`` asks for it; no key, no envelope."""

import contextlib
import os
import time
from collections.abc import Sequence
from typing import IO

from headless.grid.messages import Reply

__all__ = ["Trace"]

LONGEST = 100  # characters of an option; envelopes are longer


class Trace:
    """One process's; several may append to one file, a line at a time."""

    def __init__(self, path: str, *, is_appended: bool) -> None:
        """Args:
        path: of the file, which is made for this user only; empty for none. One that cannot be had is done without.
        is_appended: whether what stands in it stays.
        """
        self._file: IO[str] | None = None
        if path:
            mode = "a" if is_appended else "w"
            with contextlib.suppress(OSError):
                self._file = open(path, mode, encoding="utf-8", errors="replace", buffering=1, opener=_open)  # noqa: SIM115

    def sent(self, command: str, options: Sequence[str]) -> None:
        """A command goes to the server."""
        if self._file is not None:
            self._write(" ".join(["->", command, *map(_shorten, options)]))

    def received(self, command: str, reply: Reply, seconds: float) -> None:
        """Its answer has come."""
        if self._file is not None:
            self._write(
                f"<- {command}: {reply.code} {reply.error!r} {len(reply.rows)} rows, {reply.user} in"
                f" {reply.directory!r}, {seconds * 1000:.1f} ms"
            )

    def note(self, text: str) -> None:
        """Something else has happened."""
        self._write(text)

    def _write(self, text: str) -> None:
        if self._file is not None:
            now = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
            with contextlib.suppress(OSError):
                self._file.write(f"{stamp}.{int(now % 1 * 1000):03} {os.getpid()} {text}\n")


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), 0o600)


def _shorten(option: str) -> str:
    return repr(option if len(option) <= LONGEST else option[:20] + "...")
