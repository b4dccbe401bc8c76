"""The tables of a grid: users, the file catalogue, storage. Times are milliseconds since 1970, as JAliEn tells them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from headless.database.schema import KEY, Schema, build_version_column

__all__ = ["CATALOGUE", "entries", "job_quotas", "job_trace", "jobs", "replicas", "storages", "subjects", "users"]

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


jobs = Table(
    "grid_jobs",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("owner", String(64), nullable=False),
    Column("tag", String(128)),  # of the submit: a second one with it finds the same job
    Column("name", Text, nullable=False),  # of the executable
    Column("jdl", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("master_id", BigInteger),  # of which it is a part
    Column("ttl_s", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),  # resubmits count up
    Column("run", String(26), nullable=False),  # the engine's name of the attempt; empty before
    Column("boot_id", String(64), nullable=False),  # of the machine, when it was handed to the engine
    Column("cancel", Text, nullable=False),  # why it is to end; empty if nobody has said so
    Column("reason", Text, nullable=False),  # of its end
    Column("site", String(64), nullable=False),
    Column("node", String(255), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    UniqueConstraint("owner", "tag"),
    sqlite_autoincrement=True,  # a job's number is never given again
)
Index("grid_jobs_state", jobs.c.state, jobs.c.id)
Index("grid_jobs_owner", jobs.c.owner, jobs.c.id)
Index("grid_jobs_master", jobs.c.master_id, jobs.c.id)

job_trace = Table(
    "grid_job_trace",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),  # state, trace
    Column("text", Text, nullable=False),
)
Index("grid_job_trace_job", job_trace.c.job_id, job_trace.c.id)

# What was set for a user; the others have the defaults.
job_quotas = Table(
    "grid_job_quotas",
    metadata,
    Column("user", String(64), primary_key=True),
    Column("max_parallel", Integer, nullable=False),
    Column("max_unfinished", Integer, nullable=False),
    Column("max_running_s", BigInteger, nullable=False),  # seconds of running in 24 hours
    Column("max_cost", BigInteger, nullable=False),  # the same, times the price
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
