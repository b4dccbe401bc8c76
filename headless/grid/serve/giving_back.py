"""The command release: leave to write is given back by who will not use it, with what was written so far."""

import logging

from sqlalchemy import Connection

from headless.grid.errnos import EACCES, EINVAL
from headless.grid.messages import GridError
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.envelopes import Claim
from headless.grid.serve.schema import bookings

__all__ = ["COMMANDS"]

MOST = 64  # of one file's tries
NOBODY = ""
USAGE = """release ENVELOPE...: give back leave to write that will not be used, after an upload that has failed
  It counts for no quota any more, nothing can be committed with it, and what was written is removed."""

log = logging.getLogger("headless.grid")


async def _release(call: Call) -> Rows:
    if not 1 <= len(call.options) <= MOST:
        raise GridError(EINVAL, f"give one to {MOST} envelopes")
    claims = [call.grid.envelopes.check(text, "UPLOAD") for text in call.options]
    if any(claim.user != call.session.user.name for claim in claims):
        raise GridError(EACCES, "the access envelope is another user's")
    given = await call.grid.catalogue.write(lambda to: [claim for claim in claims if _give_back(to, claim)])
    await _remove(call, given)
    return [{"message": f"{len(given)} of {len(claims)} given back"}]


def _give_back(connection: Connection, claim: Claim) -> bool:
    """It stays written down: its envelope opens the storage until it ends, and only then the sweeper looks last."""
    mine = bookings.c.id == claim.booking, bookings.c.user == claim.user, ~bookings.c.committed
    return connection.execute(bookings.update().where(*mine).values(user=NOBODY)).rowcount > 0


async def _remove(call: Call, claims: list[Claim]) -> None:
    """What cannot be removed now, the sweeper removes."""
    stores = {store.name: store for store in await call.grid.stores.list_all()}
    up = {store.name for store in await call.grid.stores.list_up(list(stores.values()))}
    for claim in claims:
        if claim.storage in up:
            try:
                await call.grid.storage_client.remove(stores[claim.storage], claim.path)
            except GridError as exc:
                log.warning("remove-failed storage=%s pfn=%s reason=%r", claim.storage, claim.path, str(exc))


COMMANDS = {"release": Command(_release, USAGE)}
