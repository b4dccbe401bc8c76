"""What the server asks its journal: each function runs within a transaction (``Journal.write``, ``Journal.read``)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, func, select

from headless.errors import ParameterError, Refused, Skipped
from headless.job import JobState, Outcome, Overlap
from headless.protocol.messages import JobList
from headless.server.records import Clock, Record, build_row, parse_row
from headless.server.schema import jobs

__all__ = [
    "Decision",
    "Reader",
    "accept",
    "ask_cancel",
    "begin",
    "describe_replacement",
    "end",
    "find",
    "forget",
    "list_ended",
    "list_jobs",
    "list_surplus",
    "load_live",
]

_LIGHT = [column for column in jobs.c if column is not jobs.c.source]
LIVE = ("waiting", "running")
FINAL = ("ended", "failed", "stopped", "lost")


@dataclass(frozen=True)
class Reader:
    """Who asks: whose jobs are shown.

    ``name`` is the user; ``sees_all`` is for the owner of the server.
    """

    name: str
    sees_all: bool


@dataclass(frozen=True)
class Decision:
    """What became of a start.

    Attributes:
        record: as it stands in the journal now; of the first time, if the same id had been accepted before.
        is_new: whether it was accepted by this very call.
        in_the_way: ids of the other live runs of its name, oldest first, if the job has to do with them.
    """

    record: Record
    is_new: bool
    in_the_way: tuple[str, ...] = ()


def accept(connection: Connection, record: Record, *, has_slot: bool, sees_all: bool) -> Decision:
    """Decide on a start, and write it down: the one place where overlap is decided.

    Args:
        connection: of the transaction; nobody else decides until it ends.
        record: to be accepted; its state is set here.
        has_slot: whether it may run at once, as far as the number of running jobs goes.
        sees_all: whether it may replace other users' jobs.

    Raises:
        Skipped: another run is in the way, and the policy says skip.
        Refused: it is another user's job that it would replace, or whose id it has.
    """
    known = connection.execute(select(*_LIGHT).where(jobs.c.job_id == record.job_id)).one_or_none()
    if known is not None:
        before = parse_row(known)
        if before.user != record.user:
            raise Refused(f"job {record.job_id} is another user's")
        return Decision(before, is_new=False)
    overlap = record.spec.overlap
    others = [] if overlap is Overlap.ALLOW else _find_live(connection, record.spec.name)
    if others and overlap is Overlap.SKIP:
        raise Skipped(_describe_run(others[0], record.spec.name))
    foreign = [other for other in others if other.user != record.user]
    if foreign and overlap is Overlap.REPLACE and not sees_all:
        raise Refused(f"{_describe_run(foreign[0], record.spec.name)}: another user's job cannot be replaced")
    in_the_way = tuple(other.job_id for other in others)
    if overlap is Overlap.REPLACE:
        ask_cancel(connection, in_the_way, describe_replacement(record))
    state = JobState.RUNNING if has_slot and not others else JobState.WAITING
    record = replace(record, state=state, started_at=record.accepted_at if state is JobState.RUNNING else None)
    (seq,) = connection.execute(jobs.insert().values(build_row(record)).returning(jobs.c.seq)).one()
    return Decision(replace(record, seq=seq), is_new=True, in_the_way=in_the_way)


def begin(connection: Connection, job_id: str, clock: Clock) -> Record:
    """Write that a waiting job is handed to the engine; return it with its source."""
    change = {"state": JobState.RUNNING, "boot_id": clock.boot_id, "started_at": clock.at}
    connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(change))
    return parse_row(connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one())


def ask_cancel(connection: Connection, job_ids: Sequence[str], reason: str) -> None:
    """Write that these jobs are to end; those that somebody has cancelled before keep the first reason."""
    where = jobs.c.job_id.in_(job_ids) & jobs.c.state.in_(LIVE) & (jobs.c.cancel == "")
    connection.execute(jobs.update().where(where).values(cancel=reason))


def end(connection: Connection, job_id: str, outcome: Outcome, ended_at: float) -> bool:
    """Write a job's end; False if it had been written before."""
    change = {
        "state": outcome.state,
        "ended_at": ended_at,
        "ending": outcome.ending,
        "code": outcome.code,
        "reason": outcome.reason,
        "duration_s": outcome.duration_s,
        "written": json.dumps(outcome.written),
        "dropped": json.dumps(outcome.dropped),
    }
    where = (jobs.c.job_id == job_id) & jobs.c.state.in_(LIVE)
    return connection.execute(jobs.update().where(where).values(change)).rowcount == 1


def find(connection: Connection, job_id: str, *, with_source: bool = False) -> Record | None:
    """The record of a job."""
    row = connection.execute(select(*(jobs.c if with_source else _LIGHT)).where(jobs.c.job_id == job_id)).one_or_none()
    return None if row is None else parse_row(row)


def load_live(connection: Connection) -> list[Record]:
    """The jobs that have not ended, as far as the journal knows, in the order of their acceptance."""
    rows = connection.execute(select(jobs).where(jobs.c.state.in_(LIVE)).order_by(jobs.c.seq))
    return [parse_row(row) for row in rows]


def list_jobs(connection: Connection, reader: Reader, query: JobList, now: float) -> tuple[list[Record], bool]:
    """Jobs, the last accepted first, and whether there are more.

    Raises:
        ParameterError: ``before`` is no job.
    """
    wanted = _restrict(select(*_LIGHT), reader, query, now)
    if query.before:
        seq = connection.execute(select(jobs.c.seq).where(jobs.c.job_id == query.before)).scalar_one_or_none()
        if seq is None:
            raise ParameterError(f"unknown job {query.before}")
        wanted = wanted.where(jobs.c.seq < seq)
    rows = connection.execute(wanted.order_by(jobs.c.seq.desc()).limit(query.limit + 1)).all()
    return [parse_row(row) for row in rows[: query.limit]], len(rows) > query.limit


def _restrict(wanted: "Select[Any]", reader: Reader, query: JobList, now: float) -> "Select[Any]":
    user = query.user if reader.sees_all else reader.name
    if user:
        wanted = wanted.where(jobs.c.user == user)
    if query.user and user != query.user:
        wanted = wanted.where(jobs.c.user == query.user)  # somebody else's: none
    if query.name:
        wanted = wanted.where(jobs.c.name == query.name)
    if query.since >= 0:
        wanted = wanted.where(jobs.c.accepted_at >= now - query.since)
    match query.state:
        case "":
            return wanted
        case "live":
            return wanted.where(jobs.c.state.in_(LIVE))
        case "final":
            return wanted.where(jobs.c.state.in_(FINAL))
        case "accepted":
            return wanted.where(jobs.c.state == JobState.RUNNING)
    return wanted.where(jobs.c.state == query.state)


def list_ended(
    connection: Connection, *, before: float, keep: int = 0, name: str = "", user: str = "", limit: int = 1000
) -> list[str]:
    """Ids of jobs that ended before a time (seconds since 1970), but for the last ``keep`` of each name."""
    rank = func.row_number().over(partition_by=jobs.c.name, order_by=jobs.c.seq.desc())
    wanted = select(jobs.c.job_id, jobs.c.ended_at, rank.label("rank")).where(jobs.c.state.in_(FINAL))
    if name:
        wanted = wanted.where(jobs.c.name == name)
    if user:
        wanted = wanted.where(jobs.c.user == user)
    if not keep:
        plain = wanted.with_only_columns(jobs.c.job_id).where(jobs.c.ended_at < before).limit(limit)
        return list(connection.execute(plain).scalars())
    ranked = wanted.subquery()
    over = select(ranked.c.job_id).where((ranked.c.ended_at < before) & (ranked.c.rank > keep)).limit(limit)
    return list(connection.execute(over).scalars())


def list_surplus(connection: Connection, keep: int, limit: int = 1000) -> list[str]:
    """Ids of ended jobs beyond the newest so many."""
    ended = select(jobs.c.job_id).where(jobs.c.state.in_(FINAL)).order_by(jobs.c.seq.desc())
    return list(connection.execute(ended.offset(keep).limit(limit)).scalars())


def forget(connection: Connection, job_ids: Sequence[str]) -> None:
    """Remove ended jobs."""
    connection.execute(jobs.delete().where(jobs.c.job_id.in_(job_ids) & jobs.c.state.in_(FINAL)))


def describe_replacement(record: Record) -> str:
    """Why a job is cancelled that another one replaces."""
    return f"replaced by job {record.job_id} of {record.user}"


def _find_live(connection: Connection, name: str) -> list[Record]:
    rows = connection.execute(
        select(*_LIGHT).where((jobs.c.name == name) & jobs.c.state.in_(LIVE)).order_by(jobs.c.seq)
    )
    return [parse_row(row) for row in rows]


def _describe_run(other: Record, name: str) -> str:
    return f"another run of {name!r} is {other.state}: job {other.job_id} of {other.user}"
