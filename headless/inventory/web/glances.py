"""The overview of the start page, kept for each asker's sites and counted anew in the background."""

import asyncio
import logging
import sys
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from headless.errors import Unavailable
from headless.inventory.ask.overview import SiteGlance, build_overview
from headless.inventory.collect.access import Scope
from headless.inventory.reference import Reference
from headless.inventory.web.desk import Desk

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["Glances", "Overview"]

FRESH_S = 60
PATIENCE_S = 0.05
"""For which a first answer waits for the numbers; they come after it."""
MOST = 200
"""Askers whose overviews are kept."""

log = logging.getLogger("headless.inventory")


@dataclass(frozen=True, slots=True)
class Overview:
    """The sites at a glance.

    Attributes:
        counted: when, seconds since the epoch.
        has_marks: the advisories have been looked at.
        reason: why it could not be counted anew; empty if it could.
    """

    sites: Sequence[SiteGlance]
    counted: int
    has_marks: bool
    reason: str = ""


class Glances:
    """The overviews."""

    def __init__(self, desk: Desk, references: Sequence[Reference]) -> None:
        self._desk = desk
        self._references = references
        self._found: dict[Hashable, Overview] = {}
        self._failed: dict[Hashable, str] = {}
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    async def get(self, scope: Scope) -> Overview | None:
        """An overview, perhaps of a minute ago; ``None`` if it is being counted for the first time.

        Raises:
            Unavailable: it never was, and the last attempt failed.
        """
        key = scope.reads
        known = self._found.get(key)
        if known is None or time.time() - known.counted > FRESH_S or known.has_marks < self._has_marks():
            task = self._tasks.get(key)
            if task is None:
                task = self._tasks[key] = asyncio.create_task(self._count(key, scope))
            if known is None:
                await asyncio.wait([task], timeout=PATIENCE_S)
        found, reason = self._found.get(key), self._failed.get(key, "")
        if found is None and reason:
            raise Unavailable(reason)
        return replace(found, reason=reason) if found is not None else None

    def _has_marks(self) -> bool:
        return self._desk.marks is not None and not self._desk.explain_unmarked()

    async def _count(self, key: Hashable, scope: Scope) -> None:
        at, has_marks = int(time.time()), self._has_marks()
        try:
            sites = await self._desk.read(scope, lambda view: build_overview(view, self._references))
            if len(self._found) >= MOST:
                self._found.clear()
            self._found[key] = Overview(sites, at, has_marks)
            self._failed.pop(key, None)
        except Unavailable as exc:
            if key not in self._failed:  # told once, and not at each look while the database is away
                log.warning("overview-failed reason=%r", str(exc))
            self._fail(key, str(exc))
        except Exception:  # the boundary: nobody waits for the task
            log.exception("overview-failed")
            self._fail(key, "the sites could not be counted")
        finally:
            del self._tasks[key]

    def _fail(self, key: Hashable, reason: str) -> None:
        if len(self._failed) >= MOST:
            self._failed.clear()
        self._failed[key] = reason
