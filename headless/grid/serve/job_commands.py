"""Commands that change jobs: submit, kill, resubmit."""

from functools import partial

from sqlalchemy import Connection

from headless.grid.errnos import EBUSY, EINVAL, EPERM, ESRCH
from headless.grid.jdl import MAX_SIZE, Jdl, fill_arguments, format_jdl, parse_jdl
from headless.grid.job_states import FINAL
from headless.grid.messages import GridError
from headless.grid.serve.access import read_whole
from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.entries import find_entry
from headless.grid.serve.job_request import JobRequest, build_request, read_tag
from headless.grid.serve.job_split import split_jdl
from headless.grid.serve.job_table import JobRow, NewJob, find_job, insert_jobs, kill_job, resubmit_job
from headless.grid.serve.paths import resolve

__all__ = ["COMMANDS", "parse_id", "require_own"]

SUBMIT_USAGE = """submit LFN|'FIELD = VALUE; ...' [ARGUMENTS]: have a job run
  ARGUMENTS  take the places of $1, $2 ... in the values of the JDL"""
KILL_USAGE = "kill ID...: have jobs end; of a master job, all its parts"
RESUBMIT_USAGE = "resubmit ID...: run ended jobs once more; of a master job, those of its parts that are not done"


async def _submit(call: Call) -> Rows:
    if not call.options:
        raise GridError(EINVAL, "Command requires an argument")
    call.grid.site.check_allowed(call.session.user)
    source, *arguments = call.options
    lfn = await call.grid.catalogue.read(partial(_find_jdl, call=call, text=source))
    text = source if lfn is None else await _read_jdl(call, lfn)
    jdl = fill_arguments(parse_jdl(text), arguments)
    master, parts, tag = await call.grid.catalogue.read(partial(_read_jobs, call=call, jdl=jdl))
    owner = call.session.user.name
    job_id = await call.grid.catalogue.write(lambda connection: insert_jobs(connection, owner, tag, master, parts))
    call.grid.jobs.wake()
    shown = f"Submitting {lfn or 'the JDL'}\nYour new job ID is {job_id}"
    return [{"jobId": str(job_id), "message": shown}]


def _find_jdl(connection: Connection, call: Call, text: str) -> str | None:
    """The LFN that a submit names; ``None`` if it is a JDL itself."""
    if "=" not in text:
        return resolve(call.session, text)
    try:
        path = resolve(call.session, text)
    except GridError:
        return None
    return None if find_entry(connection, path) is None else path


async def _read_jdl(call: Call, lfn: str) -> str:
    data = await read_whole(call, lfn, MAX_SIZE)
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise GridError(EINVAL, f"{lfn} is no JDL: it is not UTF-8") from exc


def _read_jobs(connection: Connection, call: Call, jdl: Jdl) -> tuple[NewJob, list[NewJob], str | None]:
    """The job of a JDL, its parts, and the tag of this submit."""
    places = call.grid.site.find_places(connection, call.session.user.home)
    parts = split_jdl(jdl)
    found = [_make_job(part, build_request(part, places)) for part in parts]
    master = found[0] if found else _make_job(jdl, build_request(jdl, places))
    return NewJob(master.name, format_jdl(jdl), master.ttl_s, master.priority), found, read_tag(jdl)


def _make_job(jdl: Jdl, request: JobRequest) -> NewJob:
    return NewJob(request.name, format_jdl(jdl), request.ttl_s, request.priority)


async def _kill(call: Call) -> Rows:
    words = parse_arguments(call.options).require_words()
    rows = []
    for word in words:
        status = await call.grid.catalogue.write(partial(_kill_one, call=call, text=word))
        rows.append({"jobid": word, "status": status, "message": f"Job {word}: {status.replace('_', ' ')}"})
    call.grid.jobs.wake()
    return rows


def _kill_one(connection: Connection, call: Call, text: str) -> str:
    try:
        job_id = parse_id(text)
        row = require_own(connection, call, job_id)
    except GridError as exc:
        call.fail(exc)
        return "not_allowed" if exc.exit_code == EPERM else "failed_to_kill"
    if row.state in FINAL:
        call.fail(GridError(EBUSY, f"job {job_id} has ended: {row.state}"))
        return "failed_to_kill"
    kill_job(connection, job_id, call.session.user.name)
    return "killed"


async def _resubmit(call: Call) -> Rows:
    call.grid.site.check_allowed(call.session.user)
    rows = []
    for word in parse_arguments(call.options).require_words():
        try:
            await call.grid.catalogue.write(partial(_resubmit_one, call=call, job_id=parse_id(word)))
            rows.append({"message": f"Job {word} is resubmitted"})
        except GridError as exc:
            call.fail(exc)
    call.grid.jobs.wake()
    return rows


def _resubmit_one(connection: Connection, call: Call, job_id: int) -> None:
    require_own(connection, call, job_id)
    resubmit_job(connection, job_id)


def parse_id(text: str) -> int:
    """Read a job's number.

    Raises:
        GridError: EINVAL: it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise GridError(EINVAL, f"{text[:40]!r} is no job's number")
    return int(text)


def require_own(connection: Connection, call: Call, job_id: int) -> JobRow:
    """A job of the session's user, or any for an administrator.

    Raises:
        GridError: ESRCH: there is none; EPERM: it is another user's.
    """
    row = find_job(connection, job_id)
    if row is None:
        raise GridError(ESRCH, f"there is no job {job_id}")
    if not call.session.user.is_admin and row.owner != call.session.user.name:
        raise GridError(EPERM, f"job {job_id} belongs to {row.owner}")
    return row


COMMANDS = {
    "submit": Command(_submit, SUBMIT_USAGE),
    "kill": Command(_kill, KILL_USAGE),
    "resubmit": Command(_resubmit, RESUBMIT_USAGE),
}
