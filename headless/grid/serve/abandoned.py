"""What was booked to be written, and is not wanted any more; within ``Catalogue.write``."""

from sqlalchemy import ColumnElement, Connection, delete, select

from headless.grid.serve.schema import bookings, orphans, replicas

__all__ = ["give_up"]


def give_up(connection: Connection, which: ColumnElement[bool]) -> None:
    """Remove bookings. What may have been written with them, and was never entered, becomes an orphan."""
    there = orphans.c.storage == bookings.c.storage, orphans.c.pfn == bookings.c.pfn
    kept = replicas.c.storage == bookings.c.storage, replicas.c.pfn == bookings.c.pfn
    lost = select(bookings.c.storage, bookings.c.pfn).where(
        which, ~bookings.c.committed, ~select(orphans).where(*there).exists(), ~select(replicas).where(*kept).exists()
    )
    connection.execute(orphans.insert().from_select(["storage", "pfn"], lost.distinct()))
    connection.execute(delete(bookings).where(which))
