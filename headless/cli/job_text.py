"""How jobs look as text: a table for terminals and for grep, and one job with all that is known of it.

All of it comes from a server, and much of that from whoever started the job: nothing of it may steer a terminal.
"""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from headless.job import Ending, Outcome
from headless.launcher.outcome import describe_outcome, format_tail
from headless.launcher.talk import make_printable

__all__ = ["format_duration", "format_job", "format_table", "format_time"]

NOTHING = "-"
TITLES = ("ID", "STATE", "NAME", "USER", "ACCEPTED", "DURATION", "HOW IT ENDED")
LABEL_WIDTH = 11
GAP = 2
LEAST_LAST = 30


def format_table(jobs: Sequence[Mapping[str, Any]], width: int | None) -> str:
    """One line a job, below one of titles; empty for no job. Only the last column has spaces in it.

    Args:
        jobs: of the answer to ``job.list``.
        width: of the terminal in columns: the last column is cut to what is left of it, but not below
            ``LEAST_LAST``, for how a job ended is worth a second line; ``None`` leaves it whole.
    """
    if not jobs:
        return ""
    rows = [TITLES, *map(_build_row, jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) - 1)]
    left = None if width is None else max(width - sum(widths) - GAP * len(widths), LEAST_LAST)
    lines = []
    for row in rows:
        cells = [f"{cell:{size + GAP}}" for cell, size in zip(row, widths, strict=False)]
        lines.append("".join([*cells, _cut(row[-1], left)]))
    return "\n".join(lines) + "\n"


def _build_row(job: Mapping[str, Any]) -> tuple[str, ...]:
    words = (_show(job.get(name)).replace(" ", "_") for name in ("job_id", "state", "name", "user"))
    times = (format_time(job.get("accepted_at")), format_duration(job.get("duration_s")))
    return (*words, *times, _describe_end(job))


def _cut(text: str, size: int | None) -> str:
    return text if size is None or len(text) <= size else text[: size - 1] + "\u2026"


def format_job(job: Mapping[str, Any]) -> str:
    """All that is known of a job, a line for each thing; of one that failed also its last lines.

    Args:
        job: the answer to ``job.show``.
    """
    lines = [f"{label:{LABEL_WIDTH}}{text}" for label, text in _list_facts(job)]
    if tail := format_tail(job.get("tail")):
        lines.append(tail)
    return "\n".join(lines) + "\n"


def _list_facts(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for label, key in (
        *(("id", "job_id"), ("name", "name"), ("kind", "kind"), ("module", "module"), ("user", "user")),
        *(("run-as", "run_as"), ("from", "origin"), ("overlap", "overlap"), ("state", "state")),
    ):
        yield label, _show(job.get(key))
    for label in ("accepted", "started", "ended"):
        yield label, format_time(job.get(f"{label}_at"))
    yield "duration", format_duration(job.get("duration_s"))
    yield "outcome", _describe_end(job)
    yield "cut", _format_counts(job.get("dropped"))
    yield "sha256", _show(job.get("source_sha256"))
    arguments = job.get("arguments")
    yield "arguments", _show(shlex.join(map(str, arguments)) if isinstance(arguments, list) else None)
    yield "stdin", _show(job.get("stdin"))
    for label, key in (("in", "inputs"), ("out", "outputs")):
        files = job.get(key)
        if isinstance(files, list) and files:
            yield label, _show(shlex.join(map(str, files)))
    waits_for = job.get("waits_for")
    yield "waits-for", _show(" ".join(map(str, waits_for)) if isinstance(waits_for, list) else None)
    yield "progress", _format_progress(job.get("progress"))
    yield "result", _show(job.get("has_result"))


def format_time(seconds: Any) -> str:
    """Seconds since 1970 as local time with its offset (ISO 8601); ``-`` if there are none."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return NOTHING


def format_duration(seconds: Any) -> str:
    """A length of time without spaces, in seconds below a minute, else in its two largest units; ``-`` if unknown."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        return NOTHING
    whole = int(seconds)
    if whole < 60:
        return f"{math.floor(seconds * 1000) / 1000:.3f}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def _describe_end(job: Mapping[str, Any]) -> str:
    code, reason = job.get("code"), job.get("reason")
    try:
        outcome = Outcome(
            ending=Ending(str(job.get("ending"))),
            code=code if type(code) is int else None,
            reason=reason if isinstance(reason, str) else "",
        )
    except ValueError:  # it has not ended, or in a way that only a newer server knows
        return _show(job.get("ending"))
    return _show(describe_outcome(outcome))


def _format_counts(dropped: Any) -> str:
    if not isinstance(dropped, Mapping):
        return NOTHING
    return _show(", ".join(f"{count} bytes of {stream}" for stream, count in dropped.items() if count))


def _format_progress(progress: Any) -> str:
    if not isinstance(progress, list) or len(progress) != 2:
        return NOTHING
    return _show(f"{progress[0]}/{progress[1]}")


def _show(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return make_printable("" if value is None else str(value)) or NOTHING
