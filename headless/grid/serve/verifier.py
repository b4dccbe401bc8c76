"""Reads each replica once after its commit, and then again each so many days: what is told to be stored, is it?

A commit is answered when the storage has a file of the right size that nobody can change any more; to read it all
first would keep each client waiting for a second look at every byte. So a client's word for the content is believed
for a minute. What differs is told in the log and by ``df``; where another replica is proven good, it is made anew.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, Row, select, tuple_

from headless.grid.errnos import ENOLINK
from headless.grid.messages import GridError
from headless.grid.serve.bookings import find_by_guid
from headless.grid.serve.entries import Entry, now_ms
from headless.grid.serve.grid import Grid
from headless.grid.serve.periodic import run_each
from headless.grid.serve.schema import CONTENT, LOST, MISSING, orphans, replicas
from headless.grid.serve.stores import Store
from headless.grid.serve.transfers import queue

__all__ = ["run_verifier"]

BATCH = 100
NOTE_S = 5.0  # after which what was seen is written down, if not at the end of a batch: one transaction for many
DAY_MS = 86_400_000
KEY = (replicas.c.checked_ms, replicas.c.guid, replicas.c.storage)

log = logging.getLogger("headless.grid.verifier")
_Replica = Row[tuple[str, str, str, int, str]]
_Seen = tuple[_Replica, Entry, str]


async def run_verifier(grid: Grid) -> None:
    """Verify until cancelled. What a storage does not tell now is asked again at the next look."""
    await run_each(grid, log, _verify)


async def _verify(grid: Grid) -> None:
    days = grid.settings.scrub_days
    before = now_ms() - days * DAY_MS if days else 1
    stores = {store.name: store for store in await grid.stores.list_up(await grid.stores.list_all())}
    done: tuple[int, str, str] = (-1, "", "")
    while rows := await grid.catalogue.read(partial(_list_due, before=before, after=done, names=list(stores))):
        await _verify_batch(grid, stores, rows)
        last = rows[-1][0]
        done = (last.checked_ms, last.guid, last.storage)


async def _verify_batch(grid: Grid, stores: dict[str, Store], rows: Sequence[tuple[_Replica, Entry | None]]) -> None:
    seen, noted_at = list[_Seen](), time.monotonic()
    for replica, entry in rows:
        if entry is None or replica.storage not in stores:
            continue
        try:
            seen.append((replica, entry, await _look(grid, stores[replica.storage], replica, entry)))
        except GridError as exc:
            if exc.exit_code == ENOLINK:
                del stores[replica.storage]  # it has gone away: the others need not wait for it
            log.warning("unverified storage=%s pfn=%s reason=%r", replica.storage, replica.pfn, str(exc))
        if (seen and seen[-1][2]) or time.monotonic() - noted_at > NOTE_S:  # what is wrong is known at once
            await grid.catalogue.write(partial(_note_all, seen=seen))
            seen, noted_at = [], time.monotonic()
    await grid.catalogue.write(partial(_note_all, seen=seen))


def _list_due(
    connection: Connection, before: int, after: tuple[int, str, str], names: list[str]
) -> list[tuple[_Replica, Entry | None]]:
    """Replicas that were not looked at since, with a file that they belong to."""
    due = replicas.c.checked_ms < before, replicas.c.storage.in_(names), tuple_(*KEY) > after
    rows = connection.execute(select(replicas).where(*due).order_by(*KEY).limit(BATCH)).all()
    return [(row, find_by_guid(connection, row.guid)) for row in rows]


async def _look(grid: Grid, store: Store, replica: _Replica, entry: Entry) -> str:
    """What is wrong with a replica; empty if nothing is."""
    found = await grid.storage_client.hash(store, replica.pfn)
    if found is None and not await grid.stores.confirm(store.name):
        raise GridError(ENOLINK, f"{store.name}: its disk is gone")
    if found is None and replica.fault == LOST:
        return LOST  # which is known
    fault = MISSING if found is None else ""
    if found is not None and (found.size != entry.size or (entry.md5 and found.md5 != entry.md5)):
        fault = CONTENT
    if fault:
        log.error("replica-broken storage=%s pfn=%s lfn=%r fault=%s", store.name, replica.pfn, entry.path, fault)
    return fault


def _note_all(connection: Connection, seen: list[_Seen]) -> None:
    for replica, entry, fault in seen:
        _note(connection, replica, entry, fault)


def _note(connection: Connection, replica: _Replica, entry: Entry, fault: str) -> None:
    same = replicas.c.guid == replica.guid, replicas.c.storage == replica.storage, replicas.c.pfn == replica.pfn
    if not connection.execute(replicas.update().where(*same).values(checked_ms=now_ms(), fault=fault)).rowcount:
        return  # it has gone meanwhile: for the sake of one that is not there nothing may be removed
    every = replicas.c.guid == replica.guid
    if fault:
        # Those that were good once are looked at again, before anything is removed for their sake.
        connection.execute(replicas.update().where(every, replicas.c.fault == "").values(checked_ms=0))
        return
    # One that is missing stays as it is: perhaps a disk is, and will be back.
    for row in connection.execute(select(replicas).where(every, replicas.c.fault == CONTENT)).all():
        connection.execute(replicas.delete().where(replicas.c.guid == row.guid, replicas.c.storage == row.storage))
        connection.execute(orphans.insert().values(storage=row.storage, pfn=row.pfn))
        queue(connection, entry.owner, entry.path, row.guid, row.storage)
        log.warning("replica-replaced storage=%s pfn=%s lfn=%r", row.storage, row.pfn, entry.path)
