"""What a user has, and may have: files and bytes.

The database itself keeps the sums (``counting.py``): asking costs one row.
"""

from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from headless.grid.errnos import EDQUOT
from headless.grid.messages import GridError
from headless.grid.serve.entries import now_ms
from headless.grid.serve.schema import bookings, entries, quotas, usage
from headless.grid.serve.settings import GridSettings

__all__ = ["Quota", "check_quota", "find_quota", "set_quota"]


@dataclass(frozen=True)
class Quota:
    """What a user has, and may have.

    Attributes:
        files: in the catalogue.
        bytes: of all of them.
        max_files: so many are allowed.
        max_bytes: so many are allowed.
    """

    files: int
    bytes: int
    max_files: int
    max_bytes: int


# Built once, as those of ``entries.py``.
_of: BindParameter[str] = bindparam("of")
_QUOTA = select(
    *(select(column).where(usage.c.user == _of).scalar_subquery() for column in (usage.c.files, usage.c.bytes)),
    *(
        select(column).where(quotas.c.user == _of).scalar_subquery()
        for column in (quotas.c.max_files, quotas.c.max_bytes)
    ),
)
_IS_THERE = select(entries.c.path).where(entries.c.guid == bookings.c.guid).exists()  # this is another replica of it
# Of all that was ever booked for a path only one can become its file: who tries again is not counted twice.
_EACH_BOOKED = (
    select(func.max(bookings.c.size).label("size"))
    .where(bookings.c.user == _of, ~bookings.c.committed, bookings.c.expires_ms > bindparam("now"), ~_IS_THERE)
    .where(bookings.c.path != bindparam("but"))
    .group_by(bookings.c.path)
    .subquery()
)
_BOOKED = select(func.count(), func.coalesce(func.sum(_EACH_BOOKED.c.size), 0)).select_from(_EACH_BOOKED)


def find_quota(connection: Connection, settings: GridSettings, user: str) -> Quota:
    """A user's quota; of an unknown user: the defaults."""
    files, used, max_files, max_bytes = connection.execute(_QUOTA, {"of": user}).one()
    return Quota(
        files or 0,
        used or 0,
        settings.max_files if max_files is None else max_files,
        settings.max_bytes if max_bytes is None else max_bytes,
    )


def set_quota(connection: Connection, user: str, max_files: int, max_bytes: int) -> None:
    """Change what a user may have."""
    connection.execute(quotas.delete().where(quotas.c.user == user))
    connection.execute(quotas.insert().values(user=user, max_files=max_files, max_bytes=max_bytes))


def check_quota(connection: Connection, settings: GridSettings, user: str, size: int, *, booked_for: str = "") -> None:
    """Refuse one more file of a size that would be too much.

    Args:
        connection: of the transaction that adds it.
        settings: for the defaults.
        user: whose it will be.
        size: bytes.
        booked_for: the path that it is booked for: then those count too that are booked for others, and not there yet.

    Raises:
        GridError: EDQUOT.
    """
    quota = find_quota(connection, settings, user)
    files, total = _count_booked(connection, user, booked_for) if booked_for else (0, 0)
    if quota.files + files + 1 > quota.max_files:
        raise GridError(EDQUOT, f"{user} has {quota.files} files, {files} are booked, {quota.max_files} are allowed")
    if quota.bytes + total + size > quota.max_bytes:
        held = f"{user} has {quota.bytes} bytes, {total} are booked"
        raise GridError(EDQUOT, f"{held}, {quota.max_bytes} are allowed, and this is {size} more")


def _count_booked(connection: Connection, user: str, but: str) -> tuple[int, int]:
    files, total = connection.execute(_BOOKED, {"of": user, "now": now_ms(), "but": but}).one()
    return files, int(total)
