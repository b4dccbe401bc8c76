"""Work that a running grid does again and again, whatever becomes of it once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from headless.errors import HeadlessError
from headless.grid.serve.grid import Grid

__all__ = ["run_each"]

PERIOD_S = 60.0  # between two looks


async def run_each(grid: Grid, log: logging.Logger, work: Callable[[Grid], Awaitable[None]]) -> None:
    """Do it each minute, or as often as envelopes end if that is sooner; until cancelled."""
    while True:
        await asyncio.sleep(min(PERIOD_S, grid.settings.envelope_lifetime_s))
        try:
            await work(grid)
        except HeadlessError as exc:
            log.error("failed reason=%r", str(exc))
        except Exception:
            log.exception("bug")
