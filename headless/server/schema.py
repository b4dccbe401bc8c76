"""The journal's tables, and how a journal of an older version becomes one of this version."""

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from headless.database.schema import KEY, Schema, build_version_column

__all__ = ["JOURNAL", "forgotten", "jobs", "names", "notices"]

metadata = MetaData()
_version = Table("schema_version", metadata, build_version_column())

jobs = Table(
    "jobs",
    metadata,
    Column("seq", KEY, primary_key=True, autoincrement=True),  # the order of acceptance
    Column("job_id", String(26), nullable=False, unique=True),
    Column("name", String(128), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("module", String(128), nullable=False),
    Column("source", LargeBinary, nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("arguments", Text, nullable=False),  # JSON, a list of texts
    Column("stdin", Boolean, nullable=False),
    Column("user", String(64), nullable=False),
    Column("run_as", String(64), nullable=False),
    Column("origin", String(128), nullable=False),
    Column("overlap", String(8), nullable=False),
    Column("wait_for_s", Float, nullable=False),
    Column("start_within_s", Float, nullable=False),
    Column("max_runtime_s", Float, nullable=False),
    Column("grace_s", Float, nullable=False),
    Column("state", String(8), nullable=False),  # "running": handed to the engine, or about to be
    Column("boot_id", String(36), nullable=False),  # of the machine, when the state was written
    Column("accepted_at", Float, nullable=False),  # seconds since 1970, like all *_at
    Column("accepted_up", Float, nullable=False),  # seconds of CLOCK_BOOTTIME
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("cancel", Text, nullable=False),  # who wants it to end, and why; empty: nobody
    Column("ending", String(16), nullable=False),  # this and the following: the outcome
    Column("code", Integer),
    Column("reason", Text, nullable=False),
    Column("duration_s", Float),
    Column("written", Text, nullable=False),  # JSON, bytes by stream
    Column("dropped", Text, nullable=False),  # JSON, bytes by stream
    Column("staging", Text, nullable=False, server_default="{}"),  # JSON: lists of texts, "inputs" and "outputs"
)
Index("jobs_state", jobs.c.state, jobs.c.name)  # what overlap is decided by
Index("jobs_name", jobs.c.name, jobs.c.seq)
Index("jobs_user", jobs.c.user, jobs.c.seq)
Index("jobs_ended", jobs.c.ended_at)

# The ids of jobs that are not kept any more.
forgotten = Table(
    "forgotten",
    metadata,
    Column("job_id", String(26), primary_key=True),
    Column("at", Float, nullable=False),
)

# What became of the last runs of each name; kept when the jobs themselves are forgotten.
names = Table(
    "names",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("last_job_id", String(26), nullable=False),  # this and the next are empty if no run has ended yet
    Column("last_state", String(8), nullable=False),
    Column("last_ended_at", Float),
    Column("last_success_at", Float),
    Column("last_duration_s", Float),
    Column("failures", Integer, nullable=False),  # in a row, up to the last run
    Column("ended", Integer, nullable=False),  # how many runs ended in each state, and how many were not accepted
    Column("failed", Integer, nullable=False),
    Column("stopped", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("told", String(16), nullable=False),  # who was told of the failures in a row: "failure", "lost", or both
    Column("skip_told_at", Float),
    Column("skips_untold", Integer, nullable=False),  # since then
)

# What is still to be told to people and programs, written in the transaction of what it tells of.
notices = Table(
    "notices",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("job_id", String(26), nullable=False),
    Column("name", String(128), nullable=False),
    Column("event", String(16), nullable=False),
    Column("action", Text, nullable=False),  # JSON: what to do
    Column("body", Text, nullable=False),  # JSON: what to tell
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),  # not before
    Column("attempts", Integer, nullable=False),
)
Index("notices_due", notices.c.due_at)


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)


def _add_staging(connection: Connection) -> None:
    connection.exec_driver_sql("alter table jobs add column staging text not null default '{}'")


JOURNAL = Schema(
    name="journal",
    file="journal.db",
    advisory_lock=0x68656164,  # "head"
    version=_version,
    main=jobs,
    migrations=(_create_all, _add_staging),
)
"""The journal's tables; one server a PostgreSQL journal."""
