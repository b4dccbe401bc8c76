"""The option ``--not-after``: when it is too late to start."""

import datetime

from headless.errors import ParameterError
from headless.launcher.settings import parse_timeout

__all__ = ["parse_not_after"]

OPTION = "--not-after"
FORM = "give seconds from now, or a time with its offset from UTC, as 2026-10-25T02:30:00+02:00 or 2026-10-25T00:30:00Z"


def parse_not_after(text: str, now: datetime.datetime) -> float:
    """Read the last moment at which a start is of use.

    A time without an offset is refused: it would mean another moment on another host, and twice a year two or none.

    Args:
        text: a number of seconds, or a time as ISO 8601 writes it.
        now: the time now, with its offset.

    Returns:
        Seconds from now, below 0 for a time that has passed.

    Raises:
        ParameterError: it is neither.
    """
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        try:
            return parse_timeout(text)
        except ParameterError as exc:
            raise ParameterError(f"{OPTION} {text!r}: {FORM}") from exc
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as exc:
        raise ParameterError(f"{OPTION} {text!r}: {FORM}") from exc
    if moment.utcoffset() is None:
        raise ParameterError(f"{OPTION} {text!r} has no offset from UTC, and may mean any hour: add Z or, say, +02:00")
    return (moment - now).total_seconds()
