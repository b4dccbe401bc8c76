"""The tables of a grid: users, the file catalogue, storage. Times are milliseconds since 1970, as JAliEn tells them."""

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, MetaData, String, Table, Text, text

from headless.database.schema import KEY, Schema, build_version_column

__all__ = [
    "CATALOGUE",
    "CONTENT",
    "LOST",
    "MISSING",
    "bookings",
    "entries",
    "members",
    "metadata",
    "orphans",
    "quotas",
    "replicas",
    "storages",
    "subjects",
    "transfers",
    "usage",
    "users",
]

MISSING, CONTENT, LOST = "missing", "content", "lost"
"""Faults of replicas: not found, perhaps for its disk is not there; other bytes; gone with its disk for good."""

metadata = MetaData()
_version = Table("grid_version", metadata, build_version_column())
# Ordered by bytes in both databases: what lies below a folder is one range of keys.
_Path = Text().with_variant(Text(collation="C"), "postgresql")

users = Table(
    "grid_users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("roles", Text, nullable=False),  # JSON, a list of names; the user's own is always one
    Column("home", _Path, nullable=False),
    Column("email", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("is_admin", Boolean, nullable=False),
)

# The subjects of certificates (RFC 4514) that log a user in.
subjects = Table(
    "grid_subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("user", String(64), nullable=False),
)

entries = Table(
    "grid_entries",
    metadata,
    Column("path", _Path, primary_key=True),  # absolute, without a slash at its end; the root is "/"
    Column("parent", _Path, nullable=False),  # of the root: empty
    Column("name", _Path, nullable=False),
    Column("kind", String(1), nullable=False),  # f file, d folder, c collection
    Column("owner", String(64), nullable=False),
    Column("group", String(64), nullable=False),
    Column("mode", Integer, nullable=False),  # permission bits
    Column("size", BigInteger, nullable=False),
    Column("md5", String(32), nullable=False),
    Column("guid", String(36), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("modified_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("job_id", BigInteger),
)
Index("grid_entries_parent", entries.c.parent, entries.c.name)
Index("grid_entries_guid", entries.c.guid)

storages = Table(
    "grid_storages",
    metadata,
    Column("name", String(64), primary_key=True),  # VO::SITE::NAME
    Column("number", Integer, nullable=False),
    Column("url", Text, nullable=False),  # root://host:port
    Column("qos", Text, nullable=False),  # JSON, a list of classes: "disk"
)

replicas = Table(
    "grid_replicas",
    metadata,
    Column("guid", String(36), primary_key=True),
    Column("storage", String(64), primary_key=True),
    Column("pfn", Text, nullable=False),
    Column("checked_ms", BigInteger, nullable=False, server_default=text("0")),  # 0: its content was never looked at
    Column("fault", String(16), nullable=False, server_default=""),  # that was found then, if any: MISSING ...
)
Index("grid_replicas_checked", replicas.c.checked_ms, replicas.c.guid, replicas.c.storage)


# Contents that lie in a ZIP archive, which has replicas.
members = Table(
    "grid_members",
    metadata,
    Column("guid", String(36), primary_key=True),
    Column("archive", String(36), nullable=False),  # its guid
    Column("name", Text, nullable=False),  # in it
)

# Replicas of contents that no path has any more; the sweeper removes the files, then the rows.
orphans = Table(
    "grid_orphans",
    metadata,
    Column("storage", String(64), primary_key=True),
    Column("pfn", Text, primary_key=True),
)

# What may be written where: made by ``access write``, used up by ``commit``.
bookings = Table(
    "grid_bookings",
    metadata,
    Column("id", String(32), primary_key=True),  # the envelope's identifier
    Column("user", String(64), nullable=False),
    Column("path", _Path, nullable=False),
    Column("guid", String(36), nullable=False),
    Column("storage", String(64), nullable=False),
    Column("pfn", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # 0: not known at that time
    Column("md5", String(32), nullable=False),  # empty: not known at that time
    Column("job_id", BigInteger),
    Column("expires_ms", BigInteger, nullable=False),
    Column("committed", Boolean, nullable=False),
)
# Each ``access write`` adds up what its user has booked: of all that was ever committed it must see nothing.
_open_bookings = Index(
    "grid_bookings_open",
    bookings.c.user,
    bookings.c.guid,
    bookings.c.size,
    bookings.c.expires_ms,
    sqlite_where=~bookings.c.committed,
    postgresql_where=~bookings.c.committed,
)
Index("grid_bookings_expires", bookings.c.expires_ms)

# A user's files and bytes: kept by triggers on the entries (``usage.py``), so that no change can forget them.
usage = Table(
    "grid_usage",
    metadata,
    Column("user", String(64), primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

quotas = Table(
    "grid_quotas",
    metadata,
    Column("user", String(64), primary_key=True),
    Column("max_files", BigInteger, nullable=False),
    Column("max_bytes", BigInteger, nullable=False),
)

# Replicas to be made; those that are done stay for ``listTransfer``.
transfers = Table(
    "grid_transfers",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("user", String(64), nullable=False),
    Column("path", _Path, nullable=False),
    Column("guid", String(36), nullable=False),
    Column("storage", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # WAITING, DONE, FAILED
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)
Index("grid_transfers_next", transfers.c.state, transfers.c.next_ms)


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)


def _index_open_bookings(connection: Connection) -> None:
    connection.execute(text("drop index if exists grid_bookings_user"))
    _open_bookings.create(connection, checkfirst=True)


def _add_members(connection: Connection) -> None:
    members.create(connection, checkfirst=True)


def _check_replicas(connection: Connection) -> None:
    for column in ("checked_ms bigint not null default 0", "fault varchar(16) not null default ''"):
        connection.exec_driver_sql(f"alter table grid_replicas add column {column}")
    connection.exec_driver_sql("create index grid_replicas_checked on grid_replicas (checked_ms, guid, storage)")


def _count_by_statement(connection: Connection) -> None:
    from headless.grid.serve.counting import count_by_statement

    count_by_statement(connection)


CATALOGUE = Schema(
    name="catalogue",
    file="catalogue.db",
    advisory_lock=0x67726964,  # "grid"
    version=_version,
    main=entries,
    migrations=(_create_all, _index_open_bookings, _add_members, _check_replicas, _count_by_statement),
)
"""The grid's tables; one grid a PostgreSQL database."""
