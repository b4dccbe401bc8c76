"""How many jobs a user may have, and for how long they may run."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, cast, func, select

from headless.grid.errnos import EDQUOT
from headless.grid.job_states import LIVE, RUNNING, GridJobState
from headless.grid.messages import GridError
from headless.grid.serve.job_schema import job_quotas, jobs

__all__ = ["FIELDS", "Quota", "Usage", "check_quota", "measure_usage", "read_quota", "set_quota"]

DAY_MS = 86_400_000

FIELDS: Mapping[str, str] = {
    "maxparalleljobs": "max_parallel",
    "maxunfinishedjobs": "max_unfinished",
    "maxtotalrunningtime": "max_running_s",
    "maxtotalcpucost": "max_cost",
}
"""The names that ``jquota set`` takes, in lower case, and the columns they stand for."""


@dataclass(frozen=True)
class Quota:
    """What a user may have.

    Attributes:
        max_parallel: jobs that run at once.
        max_unfinished: jobs that have not ended.
        max_running_s: seconds that jobs ran in the last 24 hours.
        max_cost: the same, each second times the job's price.
    """

    max_parallel: int = 1000
    max_unfinished: int = 10_000
    max_running_s: int = 100_000_000
    max_cost: int = 100_000_000


@dataclass(frozen=True)
class Usage:
    """What a user has: jobs that wait and run; seconds and cost of the last 24 hours."""

    waiting: int
    running: int
    running_s: int
    cost: int


def read_quota(connection: Connection, user: str) -> Quota:
    """What a user may have."""
    row = connection.execute(select(job_quotas).where(job_quotas.c.user == user)).one_or_none()
    return Quota() if row is None else Quota(row.max_parallel, row.max_unfinished, row.max_running_s, row.max_cost)


def set_quota(connection: Connection, user: str, column: str, value: int) -> None:
    """Set one of a user's limits; ``column`` is of :data:`FIELDS`."""
    quota = read_quota(connection, user)
    values = {
        "max_parallel": quota.max_parallel,
        "max_unfinished": quota.max_unfinished,
        "max_running_s": quota.max_running_s,
        "max_cost": quota.max_cost,
        column: value,
    }
    connection.execute(job_quotas.delete().where(job_quotas.c.user == user))
    connection.execute(job_quotas.insert().values(user=user, **values))


def measure_usage(connection: Connection, user: str) -> Usage:
    """What a user has."""
    own = jobs.c.owner == user
    counts = select(jobs.c.state, func.count()).where(own & jobs.c.state.in_(LIVE)).group_by(jobs.c.state)
    states: dict[str, int] = dict(connection.execute(counts).all())
    now = int(time.time() * 1000)
    took = func.coalesce(jobs.c.ended_ms, now) - jobs.c.started_ms
    recent = own & (jobs.c.started_ms > now - DAY_MS)
    spent, cost = connection.execute(
        select(
            func.coalesce(cast(func.sum(took), BigInteger), 0),
            func.coalesce(cast(func.sum(took * jobs.c.priority), BigInteger), 0),
        ).where(recent)
    ).one()
    running = sum(states.get(state, 0) for state in RUNNING)
    return Usage(states.get(GridJobState.WAITING, 0), running, spent // 1000, cost // 1000)


def check_quota(connection: Connection, user: str, count: int) -> None:
    """Refuse more jobs than a user may have.

    Args:
        connection: of the transaction that takes them.
        user: the owner.
        count: how many more.

    Raises:
        GridError: EDQUOT.
    """
    quota, usage = read_quota(connection, user), measure_usage(connection, user)
    if usage.waiting + usage.running + count > quota.max_unfinished:
        have = usage.waiting + usage.running
        raise GridError(EDQUOT, f"{user} has {have} unfinished jobs and may have {quota.max_unfinished}")
    if usage.running_s >= quota.max_running_s or usage.cost >= quota.max_cost:
        raise GridError(EDQUOT, f"the jobs of {user} have used up their time of 24 hours")
