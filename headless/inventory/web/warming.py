"""What most questions need, read in the background after the start: a first question does not wait for all of it."""

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from headless.errors import HeadlessError
from headless.inventory.ask.stays import Stay, Stays
from headless.inventory.ask.versions_over_time import count_days
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.collect.numbering import slices
from headless.inventory.web.desk import Desk
from headless.inventory.web.pages import DAYS

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["warm"]

EVERYTHING = Scope("the collector", None, False)
START_S = 1.0
"""After the start, for those who have waited for it."""
PART = 100
"""Sets read at a time: some milliseconds for which others wait."""
PAUSE_S = 0.005
"""After each part, for those who want the processor."""
PATIENCE_S = 0.1
"""Between looks at whether somebody is asking still."""

log = logging.getLogger("headless.inventory")


async def warm(desk: Desk) -> None:
    """Read the sets that hosts have or had, as far as there is room for them, while nobody asks."""
    count = 0
    await asyncio.sleep(START_S)
    began = time.monotonic()
    try:
        await _wait_for_quiet(desk)
        at = desk.pick_time()
        stays = await desk.read(EVERYTHING, lambda view: count_days(replace(view, at=at), DAYS))
        for part in slices(_order(stays), PART):
            await _wait_for_quiet(desk)
            if desk.memory.is_full:
                break
            await desk.read(EVERYTHING, partial(_read, part))
            count += len(part)
            await asyncio.sleep(PAUSE_S)
    except HeadlessError as exc:
        log.warning("warming-ended reason=%r", str(exc))
    else:
        log.info("warm sets=%d seconds=%.1f", count, time.monotonic() - began)


async def _wait_for_quiet(desk: Desk) -> None:
    while not desk.is_idle:
        await asyncio.sleep(PATIENCE_S)


def _order(stays: Stays) -> list[int]:
    """The sets that hosts have now, then those that they had, the newest first."""
    return sorted(stays, key=lambda number: (_is_past(stays[number]), -number))


def _is_past(some: Sequence[Stay]) -> bool:
    return all(stay.ended is not None for stay in some)


def _read(set_ids: Sequence[int], view: View) -> None:
    members = view.memory.iterate_members(view.connection, set_ids)
    view.memory.find_packages(view.connection, set(chain.from_iterable(numbers for _, numbers in members)))
