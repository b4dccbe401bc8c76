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
    "tags",
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

tags = Table("tags", metadata, Column("id", Integer, primary_key=True), Column("name", _text(255), unique=True))

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
    # As its newest report has them; a span's facts have them as they were.
    Column("tag_id", Integer, ForeignKey(tags.c.id), nullable=False),
    Column("interval", Integer, nullable=False),  # seconds, 0 if not told
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


SCHEMA = Schema(
    name="inventory",
    file="inventory.db",
    advisory_lock=0x68_64_69_6E,
    version=version,
    main=hosts,
    migrations=(lambda _: None, _add_retirements),
    backends=("postgresql", "mysql"),
)
