"""The tables of a grid: users, the file catalogue, storage. Times are milliseconds since 1970, as JAliEn tells them."""

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, MetaData, String, Table, Text

from headless.database.schema import Schema, build_version_column

__all__ = ["CATALOGUE", "entries", "metadata", "orphans", "replicas", "storages", "subjects", "users"]

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
)


# Replicas of contents that no path has any more; the sweeper removes the files, then the rows.
orphans = Table(
    "grid_orphans",
    metadata,
    Column("storage", String(64), primary_key=True),
    Column("pfn", Text, primary_key=True),
)


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)


CATALOGUE = Schema(
    name="catalogue",
    file="catalogue.db",
    advisory_lock=0x67726964,  # "grid"
    version=_version,
    main=entries,
    migrations=(_create_all,),
)
"""The grid's tables; one grid a PostgreSQL database."""
