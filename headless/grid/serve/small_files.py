"""Small files that the server itself writes for a user: booked, stored and entered as an upload is."""

import hashlib
from collections.abc import AsyncIterator

from headless.grid.errnos import EEXIST, EFBIG
from headless.grid.messages import GridError
from headless.grid.serve.access import book_replicas
from headless.grid.serve.bookings import Booking, Content, enter
from headless.grid.serve.call import Call, Page, Rows
from headless.grid.serve.entries import find_entry
from headless.grid.serve.paths import resolve
from headless.grid.serve.placing import parse_wish
from headless.grid.serve.stores import Store

__all__ = ["MAX_SIZE", "store_pages"]

MAX_SIZE = 32 << 20
"""Bytes of a file that the server itself writes or reads."""


async def store_pages(call: Call, word: str, pages: AsyncIterator[Page]) -> Rows:
    """Make a file of the lines that a command would show.

    Args:
        call: of the command.
        word: the new file's path.
        pages: of rows with their messages.

    Raises:
        GridError: EEXIST: something is there; EFBIG: it would be too large; as ``access write``.
    """
    path = resolve(call.session, word)
    if await call.grid.catalogue.read(lambda connection: find_entry(connection, path)) is not None:
        raise GridError(EEXIST, f"{path}: remove it first")
    text = bytearray()
    async for page in pages:
        for row in page:
            text += row["message"].encode() + b"\n"
            if len(text) > MAX_SIZE:
                raise GridError(EFBIG, f"{path} would have more than {MAX_SIZE} bytes")
    await _store(call, path, bytes(text))
    return [{"lfn": path, "message": path}]


async def _store(call: Call, path: str, data: bytes) -> None:
    """With as many replicas as can be; one will do."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    made = await book_replicas(call, path, parse_wish(""), False, len(data), md5, call.session.job_id)
    failure, count = None, 0
    for store, booking in made:
        try:
            await _store_one(call, store, booking, data)
            count += 1
        except GridError as exc:
            failure = exc
    if not count and failure is not None:
        raise failure


async def _store_one(call: Call, store: Store, booking: Booking, data: bytes) -> None:
    grid, content = call.grid, Content(booking.size, booking.md5, 0o644, None)
    await grid.storage_client.write_small(store, booking.pfn, data)
    await grid.storage_client.seal(store, booking.pfn)
    await grid.catalogue.write(lambda connection: enter(connection, call.session, grid.settings, booking, content))
