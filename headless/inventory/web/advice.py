"""The collector's advisories: read beside its other work, and read again when their files change."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence

from headless.errors import ParameterError, Unavailable
from headless.inventory.advice_files import read_advice
from headless.inventory.advisories import Advisories
from headless.inventory.ask.marks import Marks
from headless.inventory.dates import build_date

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["Advice"]

LOOK_S = 30.0
"""After so long it is looked whether the files have changed."""

log = logging.getLogger("headless.inventory")

Look = tuple[tuple[str, int, int, int], ...]


class Advice:
    """The collector's advisories."""

    def __init__(self, advisories: Sequence[str], vex: Sequence[str]) -> None:
        """Args:
        advisories: paths of them; none: there are no advisories.
        vex: paths of what in them does not count.
        """
        self._advisories = advisories
        self._vex = vex
        self._marks: Marks | None = None
        self._reason = ""
        self._read_at = 0
        self._renewal = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._advisories)

    def find_marks(self) -> Marks | None:
        """What is found by them; ``None`` while they are read for the first time.

        Raises:
            Unavailable: they could not be read, and never could since the start.
        """
        if self._reason:
            raise Unavailable(f"the advisories cannot be read: {self._reason}")
        return self._marks

    def check(self) -> None:
        """See to it that they are there, before anything is begun.

        Raises:
            ParameterError: one cannot be read.
        """
        for path in (*self._advisories, *self._vex):
            try:
                if os.path.isdir(path):
                    os.listdir(path)
                else:
                    with open(path, "rb") as file:
                        file.read(1)
            except OSError as exc:
                raise ParameterError(f"{path} cannot be read: {exc.strerror}") from exc

    def renew(self) -> None:
        """Read them again, soon."""
        self._renewal.set()

    async def run(self) -> None:
        """Read them, now and whenever they have changed, until cancelled.

        Those that cannot be read do not replace those that could.
        """
        look: Look | None = None
        if not self:
            await asyncio.Event().wait()
        while True:
            now = await asyncio.to_thread(self._look)
            if now != look or self._renewal.is_set():
                self._renewal.clear()
                look = now
                await self._read()
            try:
                await asyncio.wait_for(self._renewal.wait(), LOOK_S)
            except TimeoutError:
                continue

    async def _read(self) -> None:
        begun, now = time.monotonic(), int(time.time())
        try:
            self._marks = marks = await asyncio.to_thread(self._build)
        except Exception as exc:  # noqa: BLE001  # whatever it is, reports are taken
            if self._marks is None:
                self._reason = str(exc)
            else:
                since = build_date(self._read_at)
                self._marks.outdated = f"the advisories could not be read again, and those of {since} count: {exc}"
            log.error("%s reason=%r", "advisories-kept" if self._marks else "advisories-unreadable", str(exc))
        else:
            self._reason, self._read_at = "", now
            seconds = time.monotonic() - begun
            entries, exceptions = len(marks.advisories), len(marks.advisories.exceptions)
            log.info("advisories-read entries=%d exceptions=%d seconds=%.1f", entries, exceptions, seconds)

    def _build(self) -> Marks:
        return Marks(read_advice(self._advisories, self._vex) or Advisories())

    def _look(self) -> Look:
        return tuple(sorted(self._iterate_files()))

    def _iterate_files(self) -> Iterator[tuple[str, int, int, int]]:
        for path in (*self._advisories, *self._vex):
            folders = [os.path.join(root, name) for root, _, names in os.walk(path) for name in names]
            for file in folders if os.path.isdir(path) else [path]:
                try:
                    found = os.stat(file)
                except OSError:
                    continue  # gone: what is left is another list
                yield file, found.st_mtime_ns, found.st_size, found.st_ino
