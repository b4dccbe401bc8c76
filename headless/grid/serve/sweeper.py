"""Removes from the storages what nobody has any more: contents without a path, and uploads that were never entered."""

import logging
from functools import partial

from sqlalchemy import Connection, delete, or_, select

from headless.grid.messages import GridError
from headless.grid.serve.abandoned import give_up
from headless.grid.serve.entries import now_ms
from headless.grid.serve.grid import Grid
from headless.grid.serve.periodic import run_each
from headless.grid.serve.schema import bookings, orphans

__all__ = ["run_sweeper"]

GRACE_S = 3600.0  # an upload that has begun may still be writing when its envelope ends
BATCH = 500

log = logging.getLogger("headless.grid.sweeper")


async def run_sweeper(grid: Grid) -> None:
    """Sweep until cancelled. What a storage does not remove now is tried again at the next look."""
    await run_each(grid, log, _sweep)


async def _sweep(grid: Grid) -> None:
    grace_ms = int(min(GRACE_S, grid.settings.envelope_lifetime_s) * 1000)
    old = bookings.c.expires_ms < now_ms() - grace_ms
    await grid.catalogue.write(lambda connection: give_up(connection, old))
    stores = {store.name: store for store in await grid.stores.list_up(await grid.stores.list_all())}
    done = ("", "")
    while rows := await grid.catalogue.read(partial(_list_orphans, after=done, names=list(stores))):
        removed = []
        for name, pfn in rows:
            try:
                await grid.storage_client.remove(stores[name], pfn)
                removed.append((name, pfn))
            except GridError as exc:
                log.warning("remove-failed storage=%s pfn=%s reason=%r", name, pfn, str(exc))
        there = {name for name in {name for name, _ in removed} if await grid.stores.confirm(name)}
        removed = [(name, pfn) for name, pfn in removed if name in there]
        await grid.catalogue.write(partial(_forget, removed=removed))
        log.info("swept files=%d of=%d", len(removed), len(rows))
        done = rows[-1]


def _list_orphans(connection: Connection, after: tuple[str, str], names: list[str]) -> list[tuple[str, str]]:
    name, pfn = after
    behind = or_(orphans.c.storage > name, (orphans.c.storage == name) & (orphans.c.pfn > pfn))
    query = select(orphans.c.storage, orphans.c.pfn).where(behind, orphans.c.storage.in_(names))
    rows = connection.execute(query.order_by(orphans.c.storage, orphans.c.pfn).limit(BATCH))
    return [(row.storage, row.pfn) for row in rows]


def _forget(connection: Connection, removed: list[tuple[str, str]]) -> None:
    for name, pfn in removed:
        connection.execute(delete(orphans).where(orphans.c.storage == name, orphans.c.pfn == pfn))
