"""Makes the replicas that were asked for with mirror: one after the other, each checked by its MD5 sum."""

import asyncio
import logging
from functools import partial

from headless.errors import HeadlessError
from headless.grid.errnos import EBADFD, ENODATA, EREMOTEIO
from headless.grid.messages import GridError
from headless.grid.serve.bookings import list_replicas
from headless.grid.serve.grid import Grid
from headless.grid.serve.transfers import Transfer, begin_transfer, end_transfer, forget_begun, put_off, take_next
from headless.grid.serve.xrootd import COPY_LIMIT_S

__all__ = ["run_copier"]

PERIOD_S = 1.0  # between two looks at an empty queue
MAX_TRIES = 5
PAUSE_MS = 10_000  # before the second try; doubled each time
AWAY_MS = 120_000  # before a storage that is away is looked for again, as often as need be

log = logging.getLogger("headless.grid.copier")


async def run_copier(grid: Grid) -> None:
    """Copy until cancelled."""
    is_clean = False
    while True:
        try:
            if not is_clean:
                await grid.catalogue.write(forget_begun)
                is_clean = True
            found = await grid.catalogue.read(take_next)
            if found is None:
                await asyncio.sleep(PERIOD_S)
            else:
                await _work(grid, *found)
        except HeadlessError as exc:
            log.error("copier-failed reason=%r", str(exc))
            await asyncio.sleep(PERIOD_S)
        except Exception:
            log.exception("bug in the copier")
            await asyncio.sleep(10 * PERIOD_S)


async def _work(grid: Grid, transfer: Transfer, size: int, md5: str) -> None:
    try:
        pfn = await _copy(grid, transfer, size, md5)
    except GridError as exc:
        if exc.exit_code == EBADFD:
            put = partial(put_off, transfer=transfer, reason=str(exc), pause_ms=AWAY_MS, is_try=False)
        else:
            log.warning("transfer-failed id=%d storage=%s reason=%r", transfer.id, transfer.storage, str(exc))
            pause = PAUSE_MS << transfer.tries if transfer.tries + 1 < MAX_TRIES else None
            put = partial(put_off, transfer=transfer, reason=str(exc), pause_ms=pause)
        await grid.catalogue.write(put)
        return
    await grid.catalogue.write(lambda connection: end_transfer(connection, transfer, pfn))
    log.info("transferred id=%d storage=%s bytes=%d", transfer.id, transfer.storage, size)


async def _copy(grid: Grid, transfer: Transfer, size: int, md5: str) -> str:
    """The path of the new replica.

    Raises:
        GridError: there is none; EBADFD: for now, as storage is away.
    """
    found = await grid.catalogue.read(lambda connection: list_replicas(connection, transfer.guid))
    stores = await grid.stores.list_all()
    up = await grid.stores.list_up(stores)
    sources = [store for store in up if store.name in found]
    target = next((store for store in await grid.stores.list_writable() if store.name == transfer.storage), None)
    if not found or transfer.storage not in {store.name for store in stores}:
        raise GridError(ENODATA, "there is no replica to copy" if not found else f"there is no {transfer.storage}")
    if not sources or target is None:
        away = ", ".join(sorted(found)) if not sources else transfer.storage
        raise GridError(EBADFD, f"{away}: away")
    limit_ms = int(2 * COPY_LIMIT_S * 1000)
    pfn = await grid.catalogue.write(partial(begin_transfer, transfer=transfer, size=size, md5=md5, limit_ms=limit_ms))
    source = sources[transfer.tries % len(sources)]  # the one before may be what is broken
    await grid.storage_client.copy(source, found[source.name], target, pfn)
    stored = await grid.storage_client.seal(target, pfn)
    is_whole = stored is not None and stored.size == size
    if not is_whole or (md5 and await grid.storage_client.read_md5(target, pfn) != md5):
        raise GridError(EREMOTEIO, f"what has come to {target.name} is not what was sent from {source.name}")
    return pfn
