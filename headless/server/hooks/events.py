"""What is told: the facts of one event, as JSON, as variables, as text for people."""

import enum
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from headless.job import Ending, JobState, Outcome

__all__ = ["Event", "EventKind", "build_body", "build_end_event", "build_environment", "build_text", "make_tail"]

TAIL_LIMIT = 4096  # bytes of each output
TAIL_LINES = 50
REASON_LIMIT = 1000  # characters


class EventKind(enum.StrEnum):
    """What has happened."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    LOST = "lost"
    CANCELLED = "cancelled"  # somebody wanted it: nobody has to be told
    SKIP = "skip"
    RECOVERED = "recovered"  # a success after failures that were told


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of one job; times are seconds since 1970.

    ``accepted_at`` of a start that was skipped is when it was asked for. ``stdout`` and ``stderr`` are the last bytes
    of the outputs, told for failures only; :func:`make_tail` cuts them and makes them printable.
    """

    kind: EventKind
    job_id: str
    name: str
    user: str
    accepted_at: float
    state: JobState | None = None
    ending: Ending | None = None
    code: int | None = None
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    duration_s: float | None = None
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)
    host: str = field(default_factory=socket.gethostname)

    @property
    def at(self) -> float:
        """When it happened."""
        return next(moment for moment in (self.ended_at, self.started_at, self.accepted_at) if moment is not None)


def build_end_event(outcome: Outcome, **facts: Any) -> Event:
    """The event of a job's end.

    Args:
        outcome: how it ended.
        **facts: the other fields of :class:`Event`: who, when, the outputs' last bytes.
    """
    return Event(
        kind=_classify_end(outcome),
        state=outcome.state,
        ending=outcome.ending,
        code=outcome.code,
        reason=outcome.reason,
        duration_s=outcome.duration_s,
        **facts,
    )


def _classify_end(outcome: Outcome) -> EventKind:
    """A limit, or a turn that never came, is a failure; a cancel is none."""
    if outcome.ending is Ending.CANCELLED:
        return EventKind.CANCELLED
    if outcome.state is JobState.ENDED:
        return EventKind.SUCCESS
    return EventKind.LOST if outcome.state is JobState.LOST else EventKind.FAILURE


def build_body(event: Event, *, failures: int, skipped: int = 0) -> dict[str, Any]:
    """The facts as JSON can say them.

    Args:
        event: that is told.
        failures: in a row, this one included; of a recovery those before it.
        skipped: starts that were skipped since the last that was told, this one included.
    """
    body: dict[str, Any] = {
        "event": str(event.kind),
        "text": _summarize(event, failures, skipped),
        "job_id": event.job_id,
        "name": event.name,
        "user": event.user,
        "host": event.host,
        "state": str(event.state or ""),
        "ending": str(event.ending or ""),
        "code": event.code,
        "reason": _make_printable(event.reason, REASON_LIMIT),
        "accepted": _format_time(event.accepted_at),
        "started": _format_time(event.started_at),
        "ended": _format_time(event.ended_at),
        "duration_s": event.duration_s,
        "failures": failures,
        "skipped": skipped,
    }
    if event.kind in (EventKind.FAILURE, EventKind.LOST):
        body |= {"stdout": make_tail(event.stdout), "stderr": make_tail(event.stderr)}
    return body


def build_environment(body: dict[str, Any]) -> dict[str, str]:
    """The facts as variables: all but the outputs, empty where a fact is not known."""
    names = {"job_id": "JOB_ID", "name": "JOB_NAME", "user": "JOB_USER"}
    return {
        f"HEADLESS_{names.get(key, key.upper())}": "" if value is None else str(value)
        for key, value in body.items()
        if key not in ("stdout", "stderr")
    }


def build_text(body: dict[str, Any]) -> str:
    """The facts for people: lines, and the last lines of the outputs."""
    labels = ("job_id", "user", "host", "state", "reason", "accepted", "started", "ended", "duration_s")
    lines = [body["text"], ""]
    lines += [f"{label.replace('_s', ''):9} {body[label]}" for label in labels if body[label] not in (None, "")]
    for stream in ("stderr", "stdout"):
        if body.get(stream):
            lines += ["", f"The last lines of {stream}:", "", body[stream]]
    return "\n".join(lines) + "\n"


def make_tail(data: bytes) -> str:
    """The last lines of an output: at most 4 KiB and 50 lines, with nothing in it that a terminal would obey."""
    text = data[-TAIL_LIMIT:].decode(errors="replace")
    return "\n".join(_make_printable(line, TAIL_LIMIT) for line in text.splitlines()[-TAIL_LINES:])


def _summarize(event: Event, failures: int, skipped: int) -> str:
    told = {
        EventKind.START: "has started",
        EventKind.SUCCESS: "has ended well",
        EventKind.RECOVERED: f"has ended well again, after {failures} failure{'s' * (failures != 1)}",
        EventKind.SKIP: f"was skipped{f' {skipped} times' if skipped > 1 else ''}",
        EventKind.LOST: "is lost",
        EventKind.CANCELLED: "was cancelled",
        EventKind.FAILURE: f"has failed{f', {failures} times in a row' if failures > 1 else ''}",
    }[event.kind]
    detail = event.reason or _describe_code(event) if event.kind is not EventKind.RECOVERED else ""
    return _make_printable(f"{event.name} {told} on {event.host}{f': {detail}' if detail else ''}", REASON_LIMIT)


def _describe_code(event: Event) -> str:
    if event.kind is not EventKind.FAILURE or event.code is None:
        return ""
    return f"{'signal' if event.ending is Ending.SIGNAL else 'exit status'} {event.code}"


def _format_time(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _make_printable(text: str, limit: int) -> str:
    return "".join(item if item.isprintable() or item == "\t" else "\ufffd" for item in text)[:limit]
