"""Files that are on their way: booked by ``access write``, entered by ``commit``. Within ``Catalogue.write``."""

import uuid
from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from headless.grid.errnos import EBADR, EDQUOT, EEXIST, EISDIR, ENOTDIR
from headless.grid.messages import GridError
from headless.grid.serve.call import Session
from headless.grid.serve.entries import Entry, find_chain, insert_file, now_ms, read_entry
from headless.grid.serve.lookup import make_parents
from headless.grid.serve.paths import list_ancestors
from headless.grid.serve.permissions import check_access
from headless.grid.serve.schema import bookings, entries, orphans, replicas
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.usage import check_quota

__all__ = [
    "Booking",
    "Content",
    "book",
    "check_same",
    "check_way",
    "enter",
    "find_booking",
    "find_by_guid",
    "list_faults",
    "list_open_bookings",
    "list_replicas",
    "name_pfn",
]


MAX_FURTHER = 1000  # replicas of files that are there already, a user, booked and not committed


@dataclass(frozen=True, kw_only=True)
class Booking:
    """The right to write one replica.

    Attributes:
        id: the identifier of its envelope.
        user: whose it is; nobody's if it was given back.
        path: the LFN.
        guid: of the content.
        storage: where it goes.
        pfn: the path there.
        size: bytes; 0 if it was not known.
        md5: empty if it was not known.
        job_id: the job that writes it.
        expires_ms: when its envelope ends.
        committed: whether it was used.
    """

    id: str
    user: str
    path: str
    guid: str
    storage: str
    pfn: str
    size: int
    md5: str
    job_id: int | None
    expires_ms: int
    committed: bool = False


@dataclass(frozen=True)
class Content:
    """What is said of a file when it is entered."""

    size: int
    md5: str
    mode: int
    expires_ms: int | None


# Built once, as those of ``entries.py``.
_of: BindParameter[str] = bindparam("of")
_BOOKING = select(bookings).where(bookings.c.id == _of)
_REPLICAS = select(replicas.c.storage, replicas.c.pfn).where(replicas.c.guid == _of)
_BY_GUID = select(entries).where(entries.c.guid == _of).limit(1)
_INSERT = bookings.insert()
_USE_UP = bookings.update().where(bookings.c.id == _of).values(committed=True)
_ADD_REPLICA = replicas.insert()
_TAKE_BACK = orphans.delete().where(orphans.c.storage == bindparam("of_storage"), orphans.c.pfn == bindparam("of_pfn"))


def name_pfn(guid: str) -> str:
    """Where a storage keeps a content: spread over 100 folders of 100,000."""
    number = uuid.UUID(guid).int
    return f"/{number % 100:02d}/{number // 100 % 100_000:05d}/{guid}"


def list_replicas(connection: Connection, guid: str) -> dict[str, str]:
    """The paths of a content by storage."""
    return {row.storage: row.pfn for row in connection.execute(_REPLICAS, {"of": guid})}


def list_faults(connection: Connection, guid: str) -> dict[str, str]:
    """What is wrong with a content's broken replicas, by storage."""
    broken = replicas.c.guid == guid, replicas.c.fault != ""
    return {row.storage: row.fault for row in connection.execute(select(replicas).where(*broken))}


def check_way(connection: Connection, session: Session, path: str) -> Entry | None:
    """Whether a new entry could be made at a path whose folders may be missing; the entry that is there already.

    Raises:
        GridError: ENOTDIR, EACCES; EISDIR: it is the root.
    """
    if path == "/":
        raise GridError(EISDIR, path)
    chain = find_chain(connection, path)
    there = [chain[above] for above in list_ancestors(path) if above in chain]
    for folder in there:
        if not folder.is_folder:
            raise GridError(ENOTDIR, folder.path)
        check_access(session, folder, "x")
    check_access(session, there[-1], "w")
    return chain.get(path)


def check_same(session: Session, entry: Entry, size: int, md5: str) -> None:
    """Whether a content may become another replica of the file that is there already.

    Raises:
        GridError: EEXIST: what is there is not the same; EACCES: it may not be written.
    """
    check_access(session, entry, "w")
    if entry.kind != "f" or not md5 or (entry.size, entry.md5) != (size, md5):
        found = f"a {entry.kind_name} with other content is there"
        raise GridError(EEXIST, f"{entry.path}: {found}: remove or move it first")


def book(connection: Connection, settings: GridSettings, made: list[Booking], *, is_new: bool) -> None:
    """Write down the bookings of one file.

    Raises:
        GridError: EDQUOT: its user has too much already, or too many further replicas are on their way.
    """
    if is_new:
        check_quota(connection, settings, made[0].user, made[0].size, booked_for=made[0].path)
    else:
        _check_further(connection, made)
    connection.execute(_INSERT, [vars(booking) for booking in made])


def _check_further(connection: Connection, made: list[Booking]) -> None:
    """Further replicas of files that are there count for no quota: what is booked of them has a limit of its own."""
    live = (bookings.c.user == made[0].user) & ~bookings.c.committed & (bookings.c.expires_ms > now_ms())
    is_further = select(entries.c.path).where(entries.c.guid == bookings.c.guid).exists()
    count: int = connection.execute(select(func.count()).select_from(bookings).where(live, is_further)).scalar_one()
    if count + len(made) > MAX_FURTHER:
        raise GridError(EDQUOT, f"{count} further replicas are booked and not committed, {MAX_FURTHER} are allowed")


def find_booking(connection: Connection, booking_id: str) -> Booking | None:
    """The booking of an envelope."""
    row = connection.execute(_BOOKING, {"of": booking_id}).first()
    return None if row is None else Booking(**row._mapping)


def list_open_bookings(connection: Connection, user: str, job_id: int) -> list[Booking]:
    """What a user's job has booked and not committed; in the order of paths."""
    mine = (bookings.c.user == user) & (bookings.c.job_id == job_id) & ~bookings.c.committed
    rows = connection.execute(select(bookings).where(mine, bookings.c.expires_ms > now_ms()).order_by(bookings.c.path))
    return [Booking(**row._mapping) for row in rows]


def enter(connection: Connection, session: Session, settings: GridSettings, booking: Booking, content: Content) -> None:
    """Enter a booked replica, and its file if it is the first. A second time it changes nothing.

    Args:
        connection: of the transaction that has found the booking.
        session: who enters it.
        settings: for the quota's defaults.
        booking: as it is now.
        content: of the replica.

    Raises:
        GridError: EBADR: the booking was used, and the replica removed since; EEXIST: another file has taken the
            path; EDQUOT; EACCES.
    """
    has_replica = booking.storage in list_replicas(connection, booking.guid)
    if booking.committed:
        if has_replica:
            return
        raise GridError(EBADR, "this envelope was used, and the file removed since")
    _enter_file(connection, session, settings, booking, content)
    if has_replica:
        raise GridError(EEXIST, f"{booking.storage} has a replica of {booking.path} already")
    place = {"storage": booking.storage, "pfn": booking.pfn}
    connection.execute(_ADD_REPLICA, {"guid": booking.guid, **place})
    connection.execute(_TAKE_BACK, {f"of_{name}": value for name, value in place.items()})
    connection.execute(_USE_UP, {"of": booking.id})


def find_by_guid(connection: Connection, guid: str) -> Entry | None:
    """The file of a content, wherever it was moved since it was booked."""
    row = connection.execute(_BY_GUID, {"of": guid}).first()
    return None if row is None else read_entry(row)


def _enter_file(
    connection: Connection, session: Session, settings: GridSettings, booking: Booking, content: Content
) -> None:
    chain = find_chain(connection, booking.path)
    entry = chain.get(booking.path)
    if entry is None or entry.guid != booking.guid:
        entry = find_by_guid(connection, booking.guid) or entry
    if entry is not None:
        if entry.guid != booking.guid:
            raise GridError(EEXIST, f"{booking.path}: another file has taken this name: nothing is overwritten")
        if (entry.size, entry.md5) != (content.size, content.md5):
            raise GridError(EEXIST, f"{booking.path}: its other replicas have other content")
        return
    check_quota(connection, settings, booking.user, content.size)
    make_parents(connection, session, booking.path, chain)
    insert_file(
        connection,
        booking.path,
        booking.user,
        session.role,
        content.size,
        content.md5,
        booking.guid,
        mode=content.mode,
        expires_ms=content.expires_ms,
        job_id=booking.job_id or session.job_id,
    )
