"""Replicas to be made, as rows; within ``Catalogue.write``. A copier takes one after the other.

What is being written is booked, as a user's upload is: whenever the server dies, the sweeper finds it.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, select

from headless.grid.errnos import EEXIST
from headless.grid.messages import GridError
from headless.grid.serve.abandoned import give_up
from headless.grid.serve.bookings import list_replicas, name_pfn
from headless.grid.serve.entries import now_ms
from headless.grid.serve.schema import bookings, entries, orphans, replicas, transfers

__all__ = [
    "DONE",
    "FAILED",
    "WAITING",
    "Transfer",
    "begin_transfer",
    "end_transfer",
    "forget_begun",
    "list_transfers",
    "put_off",
    "queue",
    "take_next",
]

WAITING, DONE, FAILED = "WAITING", "DONE", "FAILED"
PREFIX = "mirror-"  # of the bookings


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One replica to be made.

    Attributes:
        id: its number.
        user: who has asked.
        path: the file, at that time.
        guid: of the content.
        storage: where the new replica goes.
        state: WAITING, DONE or FAILED.
        reason: of the last failure.
        tries: that failed.
        next_ms: when to try, or to try again.
        created_ms: when it was asked for.
    """

    id: int
    user: str
    path: str
    guid: str
    storage: str
    state: str
    reason: str
    tries: int
    next_ms: int
    created_ms: int


def queue(connection: Connection, user: str, path: str, guid: str, storage: str) -> int:
    """Have a replica made; the transfer's number. One that waits already is not doubled.

    Raises:
        GridError: EEXIST: there is one.
    """
    if storage in list_replicas(connection, guid):
        raise GridError(EEXIST, f"{path} has a replica at {storage}")
    same = (transfers.c.guid == guid) & (transfers.c.storage == storage) & (transfers.c.state == WAITING)
    waiting: int | None = connection.execute(select(transfers.c.id).where(same)).scalar()
    if waiting is not None:
        return waiting
    now = now_ms()
    values = {"user": user, "path": path, "guid": guid, "storage": storage, "state": WAITING, "reason": ""}
    insert = transfers.insert().values(**values, tries=0, next_ms=now, created_ms=now).returning(transfers.c.id)
    number: int = connection.execute(insert).scalar_one()
    return number


def take_next(connection: Connection) -> tuple[Transfer, int, str] | None:
    """The next transfer that is due, with the size and the MD5 sum of its content."""
    due = (transfers.c.state == WAITING) & (transfers.c.next_ms <= now_ms())
    row = connection.execute(select(transfers).where(due).order_by(transfers.c.next_ms).limit(1)).first()
    if row is None:
        return None
    transfer = _read(row)
    content = connection.execute(
        select(entries.c.size, entries.c.md5).where(entries.c.guid == transfer.guid).limit(1)
    ).first()
    return (transfer, content.size, content.md5) if content else (transfer, 0, "")


def begin_transfer(connection: Connection, transfer: Transfer, size: int, md5: str, limit_ms: int) -> str:
    """Book the new replica, before anything is written; the path that it gets."""
    give_up(connection, _booked_for(transfer))
    pfn = name_pfn(str(uuid.uuid4()))
    values = {
        "path": transfer.path,
        "guid": transfer.guid,
        "storage": transfer.storage,
        "pfn": pfn,
        "user": transfer.user,
    }
    what = {"size": size, "md5": md5, "expires_ms": now_ms() + limit_ms, "committed": False}
    connection.execute(bookings.insert().values(id=f"{PREFIX}{transfer.id}", **values, **what))
    return pfn


def forget_begun(connection: Connection) -> None:
    """What an earlier server has begun to write, and nobody writes any more, is the sweeper's."""
    give_up(connection, bookings.c.id.startswith(PREFIX, autoescape=True))


def _booked_for(transfer: Transfer) -> ColumnElement[bool]:
    return bookings.c.id == f"{PREFIX}{transfer.id}"


def end_transfer(connection: Connection, transfer: Transfer, pfn: str) -> None:
    """Enter the new replica. Had the file been removed meanwhile, the replica is removed too."""
    connection.execute(bookings.delete().where(_booked_for(transfer)))
    has_path = connection.execute(select(entries.c.path).where(entries.c.guid == transfer.guid).limit(1)).first()
    if has_path is None or transfer.storage in list_replicas(connection, transfer.guid):
        connection.execute(orphans.insert().values(storage=transfer.storage, pfn=pfn))
    else:
        connection.execute(replicas.insert().values(guid=transfer.guid, storage=transfer.storage, pfn=pfn))
    _change(connection, transfer, state=DONE, reason="")


def put_off(
    connection: Connection, transfer: Transfer, reason: str, pause_ms: int | None, *, is_try: bool = True
) -> None:
    """Note a failure; to be tried again after a pause, or never. What it has written is the sweeper's.

    Args:
        connection: of a transaction.
        transfer: that has failed.
        reason: why.
        pause_ms: milliseconds until the next try; ``None``: there is none.
        is_try: whether it counts.
    """
    give_up(connection, _booked_for(transfer))
    state = FAILED if pause_ms is None else WAITING
    later = now_ms() + (pause_ms or 0)
    _change(connection, transfer, state=state, reason=reason, tries=transfer.tries + is_try, next_ms=later)


def list_transfers(connection: Connection, user: str | None, number: int | None, limit: int) -> list[Transfer]:
    """Transfers of a user, or of all; the newest first."""
    query = select(transfers).order_by(transfers.c.id.desc()).limit(limit)
    if user is not None:
        query = query.where(transfers.c.user == user)
    if number is not None:
        query = query.where(transfers.c.id == number)
    return [_read(row) for row in connection.execute(query)]


def _read(row: Row[*tuple[object, ...]]) -> Transfer:
    return Transfer(**row._mapping)


def _change(connection: Connection, transfer: Transfer, **values: str | int) -> None:
    connection.execute(transfers.update().where(transfers.c.id == transfer.id).values(values))
