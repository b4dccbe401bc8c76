"""Looking back at a server's jobs, and acting on them: over the launcher's session, for any program's eyes."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headless.config import Environment
from headless.errors import ConnectionFailed, OutcomeUnknown, ParameterError, ProtocolError, TimedOut
from headless.launcher.follow import Follow, call_surely, read_state
from headless.launcher.interrupts import Interrupts, catch_interrupts
from headless.launcher.link import Link, read_text
from headless.launcher.login import check_secret
from headless.launcher.opening import open_link
from headless.launcher.outcome import describe_outcome, parse_outcome
from headless.launcher.settings import SessionSettings
from headless.launcher.source import make_job_id
from headless.launcher.talk import Talk
from headless.protocol.names import JOB_ID

__all__ = [
    "cancel_job",
    "list_jobs",
    "open_session",
    "parse_job_id",
    "prune_jobs",
    "rerun_job",
    "resolve_job_id",
]

PAGE = 200  # jobs asked for at a time
SEARCHED = 1000  # jobs that are looked at for a part of an id
PART_OF_ID = "[0-9A-HJKMNP-TV-Z]{6,25}"


@contextmanager
def open_session(settings: SessionSettings, environment: Environment, talk: Talk) -> Iterator[tuple[Link, Interrupts]]:
    """A link that is logged in, and what there is to say when a signal comes.

    Without a service it is the embedded server's. One that has ended is started again, for its history outlives it.

    Raises:
        ConnectionFailed: the server cannot be reached, or there has never been an embedded one.
        Refused: the login is.
        ParameterError: the secret file is of no use.
    """
    secret = check_secret(settings, environment)
    if settings.service is None:
        _check_history(environment)
    with catch_interrupts() as interrupts:
        interrupts.truth = "nothing was changed"
        with open_link(settings, environment, talk, secret) as link:
            yield link, interrupts


def _check_history(environment: Environment) -> None:
    from headless.launcher.embedded import embedded_addresses, embedded_state

    embedded_addresses(environment)
    if not os.path.isdir(embedded_state(environment)):
        raise ConnectionFailed(
            "there is no embedded server and no history of one: give --service, or start a job without it first"
        )


def list_jobs(link: Link, conditions: Mapping[str, Any], limit: int) -> tuple[list[dict[str, Any]], bool]:
    """Ask for jobs, the last accepted first, page by page.

    Args:
        link: logged in.
        conditions: of ``JobList``: state, name, user, since.
        limit: most jobs that are wanted.

    Returns:
        The jobs, and whether there are more of them.

    Raises:
        HeadlessError: the server's error.
        ProtocolError: an answer that is none.
    """
    jobs: list[dict[str, Any]] = []
    before = ""
    while True:
        size = min(PAGE, limit - len(jobs))
        answer = link.call("job.list", {**conditions, "before": before, "limit": size})
        page, has_more = answer.get("jobs"), answer.get("more")
        if not isinstance(page, list) or not all(isinstance(job, dict) for job in page) or type(has_more) is not bool:
            raise ProtocolError("the server's list of jobs cannot be read")
        jobs += page[:size]
        if not has_more or len(jobs) >= limit:
            return jobs, has_more
        if not page:
            raise ProtocolError("the server has more jobs and lists none of them")
        before = read_text(page[-1], "job_id")


def parse_job_id(text: str) -> str:
    """Read a job's id, or at least six characters of its beginning or end; lower case is taken too.

    Raises:
        ParameterError: it is neither.
    """
    wanted = text.upper()
    if not re.fullmatch(f"{JOB_ID}|{PART_OF_ID}", wanted):
        raise ParameterError(
            f"{text!r} is no job id: give its 26 characters, or at least 6 of its beginning or end; see"
            " 'headless jobs list'"
        )
    return wanted


def resolve_job_id(link: Link, wanted: str) -> str:
    """The whole id of a job among the last ones; a whole id is not looked for.

    Args:
        link: logged in.
        wanted: of :func:`parse_job_id`.

    Raises:
        ParameterError: no job's id begins or ends so, or more than one.
    """
    if re.fullmatch(JOB_ID, wanted):
        return wanted
    jobs, has_more = list_jobs(link, {}, SEARCHED)
    ids = [read_text(job, "job_id") for job in jobs]
    found = [job_id for job_id in ids if job_id.startswith(wanted) or job_id.endswith(wanted)]
    if not found:
        where = (
            f"none of the last {SEARCHED} jobs' ids begins or ends so: give the whole id"
            if has_more
            else ("no id begins or ends so: see 'headless jobs list'")
        )
        raise ParameterError(f"unknown job {wanted}: {where}")
    if len(found) > 1:
        raise ParameterError(f"{wanted} may be {len(found)} jobs, such as {found[0]} and {found[1]}: give more of it")
    return found[0]


def cancel_job(link: Link, settings: SessionSettings, talk: Talk, job_id: str, timeout_s: float | None) -> str:
    """Ask for a job's end, and wait for it.

    Args:
        link: logged in; of no further use if this waited in vain.
        settings: of the session; they say for how long a lost one is taken up again.
        talk: is told of losses.
        job_id: of the job; one that is over is left alone.
        timeout_s: how long to wait until nothing of it is left; -1 for as long as it takes, ``None`` not at all.

    Returns:
        A sentence on what became of it.

    Raises:
        ParameterError: there is no such job, or it is somebody else's.
        TimedOut: it is not over yet.
        OutcomeUnknown: the connection was lost, before the server's answer or after it.
    """
    doubt = f"job {job_id}: it is not known whether its end was asked for"
    answer = call_surely(link, talk, "job.cancel", {"job_id": job_id}, settings.connect_for_s, doubt)
    state = read_state(answer)
    if state.is_final:
        return f"job {job_id} was over already: {state}"
    if timeout_s is None:
        return f"job {job_id}: its end was asked for"
    try:
        outcome = parse_outcome(Follow(link, talk, job_id, timeout_s, settings.connect_for_s).wait_end())
    except TimedOut as exc:
        raise TimedOut(f"job {job_id} is not over after {timeout_s:g} s; its end was asked for") from exc
    except ProtocolError as exc:
        raise OutcomeUnknown(f"job {job_id}: its end was asked for; whether it is over is unknown: {exc}") from exc
    return f"job {job_id} is over: {outcome.state}: {describe_outcome(outcome)}"


def rerun_job(link: Link, settings: SessionSettings, talk: Talk, job_id: str, interrupts: Interrupts) -> str:
    """Start what a job was once more; return the new job's id. It is sent again until the server has answered.

    Raises:
        ParameterError: there is no such job, or what it ran is gone.
        Refused: it is not permitted, or not any more.
        Skipped: another run of it is active.
        OutcomeUnknown: no answer came.
    """
    new_id = make_job_id(time.time_ns() // 1_000_000, os.urandom(10))
    interrupts.truth = f"job {new_id} may have been started"
    doubt = f"job {new_id}: it is not known whether it was started"
    call_surely(link, talk, "job.rerun", {"job_id": job_id, "new_id": new_id}, settings.connect_for_s, doubt)
    interrupts.truth = f"job {new_id} goes on"
    return new_id


def prune_jobs(link: Link, conditions: Mapping[str, Any]) -> int:
    """Have the server forget ended jobs; return how many there were.

    Args:
        link: logged in.
        conditions: of ``JobPrune``.

    Raises:
        Refused: it is not permitted.
    """
    count = 0
    while True:
        removed = link.call("job.prune", conditions).get("removed")
        if type(removed) is not int:
            raise ProtocolError("the server does not say how many jobs it has removed")
        if not removed:
            return count
        count += removed
