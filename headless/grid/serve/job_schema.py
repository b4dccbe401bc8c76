"""The tables of a grid's jobs, of the same schema as its files. Times are milliseconds since 1970."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from headless.database.schema import KEY
from headless.grid.serve.schema import metadata

__all__ = ["job_quotas", "job_trace", "jobs", "locked_sites"]

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

# Computing elements that start no jobs until an administrator opens them again.
locked_sites = Table("grid_locked_sites", metadata, Column("name", String(64), primary_key=True))
