"""Following a job of the grid to its end, and fetching what it has stored."""

import os
import posixpath
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from headless.grid.errnos import ENOTCONN, ESRCH, ETIMEDOUT
from headless.grid.jdl import parse_jdl
from headless.grid.messages import GridError, Row
from headless.grid.session import GridSession

__all__ = ["Waiting", "exit_code", "find_outputs", "follow", "is_final", "place_output"]

FIRST_PAUSE_S = 1.0
GROWTH = 1.5

DONE, FAILED, STAGING, NOT_STARTED, STOPPED, LOST = 0, 4, 5, 6, 7, 8
_CODES: Mapping[str, int] = {
    "DONE": DONE,
    "DONE_WARN": STAGING,
    "FAILED": FAILED,
    "KILLED": STOPPED,
    "EXPIRED": STOPPED,
    "ZOMBIE": LOST,
    "FAULTY": NOT_STARTED,
    "INCORRECT": NOT_STARTED,
    "ERROR_E": FAILED,
    "ERROR_V": FAILED,
    "ERROR_VN": FAILED,
    "ERROR_VT": FAILED,
    "ERROR_EW": STOPPED,
    "ERROR_IB": STAGING,
    "ERROR_SV": STAGING,
    "ERROR_SVN": STAGING,
}
"""Final states, JAliEn's and those of a grid of one's own; any other ERROR is one that it was not started for."""


def is_final(state: str) -> bool:
    """Whether a job's state is its last one, if nobody submits it again."""
    return state in _CODES or state.startswith("ERROR_")


def exit_code(state: str) -> int:
    """What a final state means: 0 done, 4 the program failed, 5 its files, 6 not started, 7 stopped, 8 lost."""
    return _CODES.get(state, NOT_STARTED)


@dataclass(frozen=True)
class Waiting:
    """How to wait.

    Attributes:
        limit_s: seconds until it is given up; ``None`` for as long as it takes.
        longest_pause_s: between two looks; the first pauses are shorter.
    """

    limit_s: float | None
    longest_pause_s: float = 60.0


def follow(session: GridSession, job_id: int, waiting: Waiting, changed: Callable[[str], None]) -> str | None:
    """Wait for a job's end; its final state, or ``None`` if that has not come in time.

    While the server is away it is asked again and again: the job goes on.

    Args:
        session: with the grid.
        job_id: of the job.
        waiting: how.
        changed: takes each new state.

    Raises:
        GridError: the server knows of no such job, or refuses to tell.
    """
    deadline = None if waiting.limit_s is None else time.monotonic() + waiting.limit_s
    last, pause_s = "", FIRST_PAUSE_S
    while True:
        state = _ask(session, job_id) or last
        if state != last:
            changed(state)
            last, pause_s = state, FIRST_PAUSE_S
        if is_final(state):
            return state
        left_s = float("inf") if deadline is None else deadline - time.monotonic()
        if left_s <= 0:
            return None
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * GROWTH, waiting.longest_pause_s)


def _ask(session: GridSession, job_id: int) -> str:
    """The job's state; empty while the server does not answer."""
    try:
        rows = session.ask("ps", "-j", str(job_id)).rows
    except GridError as exc:
        if exc.exit_code in (ENOTCONN, ETIMEDOUT):
            return ""
        raise
    for row in rows:
        if row.get("id") == str(job_id):
            return row.get("status", "").split()[0] if row.get("status") else ""
    raise GridError(ESRCH, f"the server knows of no job {job_id}")


def find_outputs(session: GridSession, job_id: int) -> Iterator[tuple[str, str]]:
    """The folders of a job's output: for each what to call it here, empty for a job without parts, and its LFN.

    Raises:
        GridError: the server does not tell.
    """
    parts = session.ask("ps", "-m", str(job_id), "-jdl").rows
    if not parts:
        for row in session.ask("ps", "-j", str(job_id), "-jdl").rows:
            yield "", _find_folder(session, row)
    for row in parts:
        yield re.sub(r"\D", "", row.get("id", "")), _find_folder(session, row)


def _find_folder(session: GridSession, row: Row) -> str:
    folder = parse_jdl(row.get("jdl", "")).read_text("OutputDir").strip()
    if folder.startswith("~"):
        folder = folder[1:].lstrip("/")
    return posixpath.normpath(posixpath.join(session.home, folder or f"alien-job-{row.get('id', '')}"))


def place_output(folder: str, name: str) -> str:
    """Where the output of one part is laid."""
    return os.path.join(folder, name) if name else folder
