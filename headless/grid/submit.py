"""Submitting a job so that there is exactly one, also where an answer is lost.

JAliEn's protocol has no way to say that a submit is the same as an earlier one. So each gets a name of its own, as a
field of its JDL (:data:`~headless.grid.jdl.TAG`), and before it is sent again it is looked for among the jobs. A grid
of one's own takes no second job of a name, whatever the client does.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from headless.grid.errnos import EINVAL, EPROTO, IN_DOUBT
from headless.grid.jdl import MAX_SIZE, TAG, Jdl, fill_arguments, format_jdl, parse_jdl
from headless.grid.messages import GridError
from headless.grid.session import GridSession

__all__ = ["Submitted", "find_submitted", "read_jdl", "submit"]

TRIES = 4
PAUSE_S = 2.0  # in which a server whose answer was lost may finish what it was at
LOOK_BACK = 500  # jobs
AT_ONCE = 50  # JDLs that are asked for with one command


@dataclass(frozen=True)
class Submitted:
    """A job that was taken.

    Attributes:
        job_id: its number.
        is_new: whether it was taken by this call, and not by an earlier one of the same tag.
    """

    job_id: int
    is_new: bool


def submit(
    session: GridSession, jdl: str, arguments: Sequence[str] = (), *, tag: str = "", pause_s: float = PAUSE_S
) -> Submitted:
    """Submit a JDL, once.

    Args:
        session: with the grid; it mends itself.
        jdl: the text.
        arguments: for ``$1`` ... in it.
        tag: names this submit; an earlier one of the same name is found, however long ago. Left out: a new name.
        pause_s: seconds before a submit whose answer was lost is looked for.

    Raises:
        GridError: it was refused; or nobody knows whether it was taken, which the message then says, and how to look.
    """
    name = tag or f"headless-{secrets.token_hex(16)}"
    text = format_jdl(fill_arguments(parse_jdl(jdl), arguments).replace({TAG: name}))
    if tag and (before := find_submitted(session, name)) is not None:
        return Submitted(before, is_new=False)
    for _ in range(TRIES):
        try:
            return Submitted(_send(session, text), is_new=True)
        except GridError as exc:
            if exc.exit_code not in IN_DOUBT:
                raise
            lost = exc
        found = _look_again(session, name, pause_s)
        if found is not None:
            return Submitted(found, is_new=True)
    raise GridError(lost.exit_code, f"{lost}: it was looked for, and not taken")


def find_submitted(session: GridSession, tag: str) -> int | None:
    """The job of an earlier submit, among the user's newest; ``None``: there is none.

    Raises:
        GridError: it cannot be looked for.
    """
    rows = session.ask("ps", "-A", "-l", str(LOOK_BACK)).rows
    # Parts of a master repeat its JDL; the job itself is older than they are.
    ids = sorted(
        int(row["id"]) for row in rows if row.get("id", "").isdecimal() and row.get("split") in (None, "", "0")
    )
    mark = format_jdl(Jdl({TAG: tag})).strip()
    for end in range(len(ids), 0, -AT_ONCE):
        asked = ids[max(0, end - AT_ONCE) : end]
        for row in session.ask("ps", "-j", ",".join(map(str, asked)), "-jdl").rows:
            if mark in row.get("jdl", "") and row.get("id", "").isdecimal():
                return int(row["id"])
    return None


def read_jdl(session: GridSession, source: str) -> str:
    """The text of a JDL on the grid: only a text can be given a name.

    Args:
        session: nothing else may use it meanwhile.
        source: LFN, absolute.

    Raises:
        GridError: it cannot be fetched, or is no text.
        ParameterError: XRootD is not installed.
    """
    from headless.grid.copy.copier import fetch

    with tempfile.TemporaryDirectory(prefix="headless-jdl-") as folder:
        path = os.path.join(folder, "jdl")
        fetch(session, source, path)
        try:
            with open(path, encoding="utf-8") as file:
                return file.read(MAX_SIZE + 1)
        except UnicodeDecodeError as exc:
            raise GridError(EINVAL, f"{source} is no JDL: it is not UTF-8") from exc


def _send(session: GridSession, text: str) -> int:
    rows = session.ask("submit", text).rows
    number = next((row["jobId"] for row in rows if "jobId" in row), "")
    if not (number.isascii() and number.isdecimal()):
        raise GridError(EPROTO, "the server has taken the job, and told no number")
    return int(number)


def _look_again(session: GridSession, tag: str, pause_s: float) -> int | None:
    """Look for a submit whose answer was lost, until the server says something.

    Raises:
        GridError: it does not.
    """
    for _ in range(TRIES):
        time.sleep(pause_s)
        try:
            return find_submitted(session, tag)
        except GridError as exc:
            if exc.exit_code not in IN_DOUBT:
                raise _doubt(exc, tag) from exc
            lost = exc
    raise _doubt(lost, tag)


def _doubt(error: GridError, tag: str) -> GridError:
    return GridError(
        error.exit_code,
        f"{error}: nobody knows whether the job was taken: look for {TAG} {tag!r} in the JDLs of your jobs (ps -jdl)"
        " before you submit it again",
    )
