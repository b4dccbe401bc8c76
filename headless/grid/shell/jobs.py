"""Jobs, looked at and submitted."""

import re
import time

from headless.errors import ParameterError
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.shell import Shell

__all__ = ["show_job", "show_jobs", "submit"]

TRACE = re.compile(r"^(\d{10}) \[(\w+)\s*\]:? ?", re.MULTILINE)
MAX_JDL = 100 * 1024  # bytes; a message may have 130 KiB


def show_jobs(shell: Shell, name: str, args: list[str]) -> Reply:
    """``ps``; the times in a trace are written for people."""
    reply = shell.send("ps", *args)
    if "-trace" not in args or shell.output.format != "text":
        return reply
    rows = tuple({**row, "message": _date_lines(row["message"])} if "message" in row else row for row in reply.rows)
    return Reply(reply.code, reply.error, reply.user, reply.directory, rows)


def show_job(shell: Shell, name: str, args: list[str]) -> Reply:
    """``jobInfo``: state and trace of jobs, or their JDL."""
    options = {word for word in args if word.startswith("-")}
    ids = [word for word in args if not word.startswith("-")]
    if not ids or options - {"-trace", "-proc", "-jdl", "-unixtime"}:
        raise GridError(EINVAL, "jobInfo: give ID[,ID...] and -trace, -proc, -jdl, -unixtime as wanted")
    rows = shell.query("ps", "-j", ",".join(ids), "-trace", "-jdl").rows
    return shell.answer(*[{**row, "message": _write_job(row, options)} for row in rows])


def submit(shell: Shell, name: str, args: list[str]) -> Reply:
    """``submit``: a JDL of the grid; or, as ``file:PATH``, one of this machine; or its text. Never taken twice."""
    from headless.grid import submit as submits

    if not args:
        raise GridError(EINVAL, "submit: give a JDL, as LFN or as file:PATH")
    jdl, rest = args[0], args[1:]
    if jdl in ("-h", "-help", "--help"):
        return shell.send("submit", *args)
    if jdl.startswith("file:"):
        text, shown = _read_jdl(jdl.removeprefix("file:")), jdl
    elif "=" in jdl:
        text, shown = jdl, "the JDL"
    else:
        shown = shell.resolve(jdl)
        try:
            text = submits.read_jdl(shell.session, shown)
        except ParameterError:  # without XRootD the server reads it; a lost answer is then told, not mended
            return shell.send("submit", shown, *rest)
    job_id = submits.submit(shell.session, text, rest).job_id
    return shell.answer({"jobId": str(job_id), "message": f"Submitting {shown}\nYour new job ID is {job_id}"})


def _read_jdl(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_JDL + 1)
    except OSError as exc:
        raise GridError(exc.errno or EINVAL, f"submit: {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise GridError(EINVAL, f"submit: {path} cannot be read: {exc}") from exc
    if len(text) > MAX_JDL or "=" not in text:
        raise GridError(EINVAL, f"submit: {path} is no JDL of at most {MAX_JDL} bytes")
    return text


def _write_job(row: Row, options: set[str]) -> str:
    if "-jdl" in options:
        return row.get("jdl", "")
    header = f"{'JobID': <13}{'MasterJobID': <13}{'Status': <12}{'User': <14}Name"
    keys = (("id", 13), ("split", 13), ("status", 12), ("owner", 14), ("name", 0))
    parts = ["#" * 66, header, "".join(row.get(key, "").ljust(width) for key, width in keys), ""]
    kinds = {"state": "State info:"}
    kinds |= {"trace": "Trace info:"} if "-trace" in options else {}
    kinds |= {"proc": "Proc info:"} if "-proc" in options else {}
    lines = row.get("trace", "").splitlines()
    for kind, title in kinds.items():
        chosen = [line for line in lines if (match := TRACE.match(line)) and match[2] == kind]
        parts += [title, *(chosen if "-unixtime" in options else map(_date_lines, chosen)), ""]
    return "\n".join(parts)


def _date_lines(text: str) -> str:
    return TRACE.sub(lambda match: _date(match[1]) + match[0][10:], text)


def _date(seconds: str) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(seconds)))
