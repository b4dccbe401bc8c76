"""A schema: the tables of one purpose, and how a database of an older version becomes one of this version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, inspect, select

from headless.errors import ParameterError

__all__ = ["KEY", "Schema", "build_version_column"]

KEY = BigInteger().with_variant(Integer(), "sqlite")
"""The type of row numbers: SQLite numbers rows by itself in an ``INTEGER`` only."""


def build_version_column() -> Column[int]:
    """The only column of a schema's version table."""
    return Column("version", Integer, nullable=False)


@dataclass(frozen=True)
class Schema:
    """The tables of one purpose.

    Attributes:
        name: of what they hold, as messages and the setting have it: "journal".
        file: the SQLite file's name in a state folder.
        advisory_lock: the number that the one writer holds on PostgreSQL and MariaDB.
        version: the table that says of which version a database is.
        main: a table that no database without a version may have.
        migrations: ``migrations[n]`` makes version n + 1 of version n; a new database is made whole by
            ``version.metadata``, as the last.
        backends: the databases it is made for, beside SQLite: "postgresql", "mysql".
    """

    name: str
    file: str
    advisory_lock: int
    version: Table
    main: Table
    migrations: Sequence[Callable[[Connection], None]]
    backends: Sequence[str] = ("postgresql",)

    def upgrade(self, connection: Connection) -> int:
        """Bring a database to this version, within the caller's transaction; return the version it was of, 0 if new.

        Raises:
            ParameterError: it was written by a newer headless, or is some other program's.
        """
        tables = set(inspect(connection).get_table_names())
        last = len(self.migrations)
        if self.version.name not in tables:
            if self.main.name in tables:
                raise ParameterError("it is another program's database: give headless one of its own")
            self.version.create(connection)
        found: int | None = connection.execute(select(self.version.c.version)).scalar()
        if found is None:  # new, or its making was cut short: MariaDB commits every table by itself
            self.version.metadata.create_all(connection)
            connection.execute(self.version.insert().values(version=last))
            return 0
        if found > last:
            raise ParameterError(f"it is of version {found}, and this headless knows {last} at most: upgrade headless")
        if found == last:
            return found  # nothing is written: it may be one that can only be read at present
        for migrate in self.migrations[found:]:
            migrate(connection)
        connection.execute(self.version.update().values(version=last))
        return found
