"""Jobs in the grid's database; each function runs within a transaction (``Catalogue.write``, ``Catalogue.read``)."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from headless.grid.errnos import EBUSY
from headless.grid.job_states import FINAL, LIVE, RUNNING, GridJobState
from headless.grid.messages import GridError
from headless.grid.serve.job_quota import check_quota, read_quota
from headless.grid.serve.job_schema import job_trace, jobs, locked_sites

__all__ = [
    "SITE",
    "JobRow",
    "NewJob",
    "add_trace",
    "end_job",
    "find_job",
    "find_node",
    "insert_jobs",
    "is_open",
    "is_running",
    "kill_job",
    "list_running",
    "move_job",
    "resubmit_job",
    "set_open",
    "take_next",
]

SITE = "HEADLESS::LOCAL::JOBS"
"""The only computing element: this machine."""

JobRow = Row[*tuple[Any, ...]]
"""A row of ``jobs``."""


@dataclass(frozen=True)
class NewJob:
    """A job to be taken.

    Attributes:
        name: of its executable.
        jdl: its text.
        ttl_s: how long it may take.
        priority: the larger, the sooner.
    """

    name: str
    jdl: str
    ttl_s: int
    priority: int


def insert_jobs(connection: Connection, owner: str, tag: str | None, master: NewJob, parts: Sequence[NewJob]) -> int:
    """Take a job, with its parts if it is a master; return its id. A second submit of one tag finds the first.

    Raises:
        GridError: EDQUOT: the owner has too many already.
    """
    if tag is not None:
        where = (jobs.c.owner == owner) & (jobs.c.tag == tag)
        before = connection.execute(select(jobs.c.id).where(where)).scalar()
        if before is not None:
            return int(before)
    check_quota(connection, owner, len(parts) or 1)
    state = GridJobState.SPLIT if parts else GridJobState.WAITING
    master_id = _insert(connection, owner, tag, master, state, None)
    for part in parts:
        _insert(connection, owner, None, part, GridJobState.WAITING, master_id)
    return master_id


def _insert(
    connection: Connection, owner: str, tag: str | None, job: NewJob, state: GridJobState, master_id: int | None
) -> int:
    now = _now_ms()
    values = {
        "owner": owner,
        "tag": tag,
        "name": job.name,
        "jdl": job.jdl,
        "state": state,
        "priority": job.priority,
        "master_id": master_id,
        "ttl_s": job.ttl_s,
        "attempt": 0,
        "run": "",
        "boot_id": "",
        "cancel": "",
        "reason": "",
        "site": "",
        "node": "",
        "created_ms": now,
    }
    job_id = int(connection.execute(jobs.insert().values(values).returning(jobs.c.id)).scalar_one())
    add_trace(connection, job_id, "state", f"Job {job_id} inserted by {owner}", now)
    add_trace(connection, job_id, "state", f"Job state transition to {state}", now)
    return job_id


def find_job(connection: Connection, job_id: int) -> JobRow | None:
    """A job's row."""
    return connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()


def is_running(connection: Connection, job_id: int, owner: str) -> bool:
    """Whether a user's job has begun and not ended."""
    row = find_job(connection, job_id)
    return row is not None and row.owner == owner and row.state in RUNNING


def list_running(connection: Connection) -> Sequence[JobRow]:
    """All jobs that are in the hands of the engine, or about to be."""
    return connection.execute(select(jobs).where(jobs.c.state.in_(RUNNING)).order_by(jobs.c.id)).all()


def find_node() -> str:
    """The machine's name."""
    return socket.gethostname()[:255]


def take_next(connection: Connection, places: int, run: str, boot_id: str) -> JobRow | None:
    """Assign the job whose turn it is: of the user with the fewest running ones the most urgent, then the oldest.

    Args:
        connection: of the transaction.
        places: how many may run at once.
        run: the engine's name for it.
        boot_id: of the machine.
    """
    running = select(jobs.c.owner, func.count()).where(jobs.c.state.in_(RUNNING)).group_by(jobs.c.owner)
    counts: dict[str, int] = dict(connection.execute(running).all())
    if sum(counts.values()) >= places or not is_open(connection, SITE):
        return None
    waiting = jobs.c.state == GridJobState.WAITING
    owners = connection.execute(select(jobs.c.owner, func.min(jobs.c.id)).where(waiting).group_by(jobs.c.owner)).all()
    for owner, _ in sorted(owners, key=lambda found: (counts.get(found[0], 0), found[1])):
        if counts.get(owner, 0) >= read_quota(connection, owner).max_parallel:
            continue
        order = (jobs.c.priority.desc(), jobs.c.id)
        job_id = connection.execute(
            select(jobs.c.id).where(waiting & (jobs.c.owner == owner)).order_by(*order).limit(1)
        ).scalar_one()
        node = find_node()
        change = {"run": run, "boot_id": boot_id, "site": SITE, "node": node, "started_ms": _now_ms()}
        move_job(connection, job_id, (GridJobState.WAITING,), GridJobState.ASSIGNED, **change)
        add_trace(connection, job_id, "trace", f"Running JAliEn JobAgent of headless on {node}")
        return find_job(connection, job_id)
    return None


def move_job(
    connection: Connection, job_id: int, before: Sequence[GridJobState], after: GridJobState, **change: object
) -> bool:
    """Write a new state; False if the job is in none of those that it can follow."""
    old = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar()
    if old is None or old not in before:
        return False
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(state=after, **change))
    add_trace(connection, job_id, "state", f"Job state transition from {old} to {after}")
    return True


def end_job(connection: Connection, job_id: int, run: str, state: GridJobState, reason: str) -> bool:
    """Write how a run has ended; False if it had been written before. The last part's end is its master's."""
    row = find_job(connection, job_id)
    if (
        row is None
        or row.run != run
        or not move_job(connection, job_id, LIVE, state, ended_ms=_now_ms(), reason=reason)
    ):
        return False
    if reason:
        add_trace(connection, job_id, "trace", reason)
    if row.master_id is not None:
        _end_master(connection, row.master_id)
    return True


def _end_master(connection: Connection, master_id: int) -> None:
    states = set(connection.execute(select(jobs.c.state).where(jobs.c.master_id == master_id)).scalars())
    if not states <= set(FINAL):
        return
    state = GridJobState.DONE if states == {GridJobState.DONE} else GridJobState.FAILED
    move_job(connection, master_id, (GridJobState.SPLIT,), state, ended_ms=_now_ms())


def kill_job(connection: Connection, job_id: int, who: str) -> bool:
    """Have a job end, with its parts; one that has begun is ended by the engine. False if it has ended before."""
    row = find_job(connection, job_id)
    if row is None or row.state in FINAL:
        return False
    reason = f"killed by {who}"
    if row.state == GridJobState.SPLIT:
        move_job(connection, job_id, (GridJobState.SPLIT,), GridJobState.KILLED, ended_ms=_now_ms(), reason=reason)
        for part in connection.execute(select(jobs.c.id).where(jobs.c.master_id == job_id)).scalars().all():
            kill_job(connection, part, who)
    elif row.state == GridJobState.WAITING:
        end_job(connection, job_id, row.run, GridJobState.KILLED, reason)
    elif not row.cancel:
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(cancel=reason))
        add_trace(connection, job_id, "trace", f"{reason}: its processes are told to end")
    return True


def resubmit_job(connection: Connection, job_id: int) -> None:
    """Have an ended job run once more, under its own number; of a master: those of its parts that are not done.

    Raises:
        GridError: EBUSY: it has not ended; EDQUOT.
    """
    row = find_job(connection, job_id)
    if row is None or row.state not in FINAL:
        raise GridError(EBUSY, f"job {job_id} has not ended: kill it first")
    parts = connection.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.master_id == job_id)).all()
    again = [part.id for part in parts if part.state in FINAL and part.state != GridJobState.DONE]
    if parts and not again:
        raise GridError(EBUSY, f"all parts of job {job_id} are done or under way")
    check_quota(connection, str(row.owner), len(again) or 1)
    for number in again or [job_id]:
        _restart(connection, number, GridJobState.WAITING)
    if parts:
        _restart(connection, job_id, GridJobState.SPLIT)
    elif row.master_id is not None:
        _restart(connection, int(row.master_id), GridJobState.SPLIT)


def _restart(connection: Connection, job_id: int, state: GridJobState) -> None:
    change = {"cancel": "", "reason": "", "run": "", "started_ms": None, "ended_ms": None}
    if move_job(connection, job_id, FINAL, state, attempt=jobs.c.attempt + 1, **change):
        add_trace(connection, job_id, "trace", "Job resubmitted")


def is_open(connection: Connection, site: str) -> bool:
    """Whether a computing element starts jobs."""
    return connection.execute(select(locked_sites).where(locked_sites.c.name == site)).first() is None


def set_open(connection: Connection, site: str, *, value: bool) -> None:
    """Open a computing element, or lock it."""
    connection.execute(locked_sites.delete().where(locked_sites.c.name == site))
    if not value:
        connection.execute(locked_sites.insert().values(name=site))


def add_trace(connection: Connection, job_id: int, kind: str, text: str, at_ms: int | None = None) -> None:
    """Add a line to a job's trace."""
    values = {"job_id": job_id, "at_ms": at_ms or _now_ms(), "kind": kind, "text": text}
    connection.execute(job_trace.insert().values(values))


def _now_ms() -> int:
    return int(time.time() * 1000)
