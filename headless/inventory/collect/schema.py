"""The tables of the inventory.

What half a million hosts report daily differs little from what they have reported before, and from one another. So a
list of packages is stored once (``sets``), whoever has it, as the compressed numbers of its packages; and a host is a
row for each stretch of time (``spans``) in which it reported the same. A host's state at a time is the span that began
last before it, unless it was retired since. All times are seconds since the epoch, UTC. Rows are never deleted but of
``spans`` and ``retirements``.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects.mysql import BINARY, VARCHAR
from sqlalchemy.types import String, TypeEngine

from headless.database.schema import KEY, Schema, build_version_column

__all__ = [
    "FACTS",
    "NEVER",
    "SCHEMA",
    "domains",
    "facts",
    "hosts",
    "packages",
    "retirements",
    "sets",
    "sites",
    "spans",
]

NEVER = 1 << 62
"""The end of what has not ended."""


def _text(length: int) -> TypeEngine[str]:
    """Text compared byte by byte: package names are told apart by case."""
    return String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql")


def _hash(length: int) -> TypeEngine[bytes]:
    return LargeBinary(length).with_variant(BINARY(length), "mysql")


TIME = KEY  # more than 32 bits

metadata = MetaData()

version = Table("inventory_version", metadata, build_version_column())

sites = Table("sites", metadata, Column("id", Integer, primary_key=True), Column("name", _text(255), unique=True))

# What follows a host's first dot: written once instead of half a million times.
domains = Table("domains", metadata, Column("id", Integer, primary_key=True), Column("name", _text(255), unique=True))

hosts = Table(
    "hosts",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", _text(255), nullable=False),  # up to the first dot
    Column("domain_id", Integer, ForeignKey(domains.c.id), nullable=False),
    Column("site_id", Integer, ForeignKey(sites.c.id), nullable=False),
    Column("machine", BigInteger, nullable=False),  # the first 63 bits of its machine's digits, 0 if not told
    # Seconds, 0 if not told: as its newest report has it; a span's facts have it as it was.
    Column("interval", Integer, nullable=False),
    # There is one of each name, domain, site and machine: the one writer sees to it. An index of them all would be as
    # large as the table.
    Index("hosts_by_name", "name", "domain_id"),
)

packages = Table(
    "packages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", _text(16), nullable=False),
    Column("name", _text(255), nullable=False),
    Column("version", _text(255), nullable=False),
    Column("arch", _text(32), nullable=False),
    Column("source", _text(255), nullable=False),
    Column("source_version", _text(255), nullable=False),
    Column("hash", _hash(16), nullable=False, unique=True),  # of its canonical line: MySQL's keys are short
    Index("packages_by_name", "name"),
)

sets = Table(
    "sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", _hash(32), nullable=False, unique=True),  # package.digest of its canonical lines
    Column("count", Integer, nullable=False),
    Column("members", LargeBinary(2**24 - 1), nullable=False),  # collect.members.pack of its packages' ids
)

# What a report says beside its packages: a JSON object of FACTS and "missing", keys sorted.
facts = Table(
    "facts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", _hash(32), nullable=False, unique=True),  # SHA-256 of its content
    Column("content", LargeBinary(2**16 - 1), nullable=False),
)

spans = Table(
    "spans",
    metadata,
    Column("host_id", KEY, ForeignKey(hosts.c.id), primary_key=True, autoincrement=False),
    Column("first", TIME, primary_key=True, autoincrement=False),
    Column("last", TIME, nullable=False),
    Column("set_id", Integer, ForeignKey(sets.c.id), nullable=False),
    Column("facts_id", Integer, ForeignKey(facts.c.id), nullable=False),
    # When else it reported between first and last (collect.timeline): a report that comes late may divide a span.
    Column("times", LargeBinary(2**24 - 1), nullable=False),
    sqlite_with_rowid=False,
)

# From when on a host is no more, until it reports again. A row for what somebody has decided, none for a report.
retirements = Table(
    "retirements",
    metadata,
    Column("host_id", KEY, ForeignKey(hosts.c.id), primary_key=True, autoincrement=False),
    Column("begun", TIME, primary_key=True, autoincrement=False),
    Column("ended", TIME, nullable=False),  # the time of the first report after it; NEVER if there is none
    sqlite_with_rowid=False,
)

FACTS = ("arch", "cpu", "interval", "kernel", "os_id", "os_version", "system", "tag")
"""Of a report's fields, those that ``facts`` holds as they are; left out where empty or 0."""


def _add_retirements(connection: Connection) -> None:
    retirements.create(connection, checkfirst=True)  # MariaDB commits it by itself, before the version is written


def _drop_tags(connection: Connection) -> None:
    """Have a host's tag be in its facts alone. What was cut short is gone on with: MariaDB commits each step."""
    found = inspect(connection)
    if "tag_id" in {column["name"] for column in found.get_columns(hosts.name)}:
        name = connection.engine.dialect.name
        if name == "sqlite":
            _rebuild_hosts(connection)
        else:
            keys = [
                key["name"] for key in found.get_foreign_keys(hosts.name) if key["constrained_columns"] == ["tag_id"]
            ]
            for key in keys if name == "mysql" else ():  # PostgreSQL does it by itself
                connection.exec_driver_sql(f"alter table hosts drop foreign key {key}")
            connection.exec_driver_sql("alter table hosts drop column tag_id")
    connection.exec_driver_sql("drop table if exists tags")


def _rebuild_hosts(connection: Connection) -> None:
    """SQLite drops no column that is a foreign key: the rows go to a new table, which takes the old one's name."""
    copies = MetaData()
    for table in (sites, domains):
        table.to_metadata(copies)
    new = hosts.to_metadata(copies, name="hosts_new")
    connection.exec_driver_sql("drop index hosts_by_name")
    new.create(connection)
    connection.execute(insert(new).from_select([column.name for column in hosts.c], select(hosts)))
    connection.exec_driver_sql("drop table hosts")
    connection.exec_driver_sql("alter table hosts_new rename to hosts")


SCHEMA = Schema(
    name="inventory",
    file="inventory.db",
    advisory_lock=0x68_64_69_6E,
    version=version,
    main=hosts,
    migrations=(lambda _: None, _add_retirements, _drop_tags),
    backends=("postgresql", "mysql"),
)
