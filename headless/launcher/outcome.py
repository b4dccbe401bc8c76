"""From what the server tells of a job's end to what the launcher says and exits with."""

import signal
from collections.abc import Mapping
from typing import Any

from headless.errors import HeadlessError, JobFailed, JobStopped, OutcomeUnknown, ProtocolError, Skipped
from headless.job import Ending, JobState, Outcome
from headless.launcher.talk import make_printable
from headless.protocol.codec import decode_bytes

__all__ = ["build_error", "describe_outcome", "format_tail", "parse_outcome", "read_job_status"]

TAIL_LINES = 20


def parse_outcome(body: Mapping[str, Any]) -> Outcome:
    """Read the outcome in a ``job.ended`` message.

    Raises:
        ProtocolError: it holds none.
    """
    try:
        code, dropped = body["code"], body["dropped"]
        if not (code is None or type(code) is int) or not isinstance(dropped, dict):
            raise ValueError("wrong types")
        return Outcome(
            ending=Ending(body["ending"]),
            code=code,
            reason=str(body["reason"]),
            duration_s=float(body["duration_s"]),
            dropped={str(name): int(count) for name, count in dropped.items()},
        )
    except (KeyError, ValueError, TypeError) as exc:
        raise ProtocolError("the server's news of the job's end cannot be read") from exc


def build_error(outcome: Outcome, job: str) -> HeadlessError | None:
    """The error that stands for an outcome; ``None`` for a good one.

    Args:
        outcome: of the job.
        job: what to call it.
    """
    match outcome.state:
        case JobState.ENDED:
            return None
        case JobState.LOST:
            return OutcomeUnknown(f"{job}: its outcome is unknown: {outcome.reason}")
        case JobState.STOPPED if outcome.ending is Ending.EXPIRED:
            return Skipped(f"{job} was not started: {outcome.reason}")
        case JobState.STOPPED:
            return JobStopped(f"{job} was stopped: {outcome.reason}")
    return JobFailed(f"{job} failed: {describe_outcome(outcome)}")


def read_job_status(outcome: Outcome) -> int | None:
    """The job's own exit status as a shell would see it; ``None`` if it has none."""
    if outcome.ending in (Ending.STATUS, Ending.EXCEPTION):
        return outcome.code
    if outcome.ending is Ending.SIGNAL and outcome.code is not None:
        return 128 + outcome.code
    return None


def format_tail(tail: Any) -> str:
    """The last lines of a job's outputs, fit for a terminal and a mail; empty if there are none."""
    parts = []
    for stream in ("stdout", "stderr"):
        text = tail.get(stream) if isinstance(tail, Mapping) else None
        data = decode_bytes(text) if isinstance(text, str) else b""
        lines = data.decode(errors="replace").splitlines()[-TAIL_LINES:]
        if lines:
            parts += [f"--- the end of its {stream}:", *map(make_printable, lines)]
    return "\n".join(parts)


def describe_outcome(outcome: Outcome) -> str:
    """How the job ended, as a clause for people."""
    extra = f" ({outcome.reason})" if outcome.reason else ""
    match outcome.ending:
        case Ending.SIGNAL:
            return f"killed by signal {_name_signal(outcome.code or 0)}{extra}"
        case Ending.STATUS:
            return f"exit status {outcome.code}{extra}"
    return outcome.reason or outcome.ending


def _name_signal(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
