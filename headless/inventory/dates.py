"""Times as people write them, and as they are printed: RFC 3339, UTC."""

import re
import time
from datetime import UTC, datetime

from headless.errors import ParameterError

__all__ = ["DAY_S", "LATEST", "build_date", "parse_date", "parse_end"]

DAY_S = 86400
DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
LATEST = 253_402_300_799  # the end of the year 9999


def parse_date(text: str, *, is_start: bool = False) -> int:
    """Read a time: RFC 3339, or a day, which means its last second, UTC.

    Args:
        text: the time.
        is_start: something begins then: a day means its first second.

    Returns:
        Seconds since the epoch.

    Raises:
        ParameterError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _no_date(text) from None
    if DAY.fullmatch(text):
        return int(moment.replace(tzinfo=UTC).timestamp()) + (0 if is_start else DAY_S - 1)
    if moment.tzinfo is None or len(text) < 16 or not 0 <= moment.timestamp() <= LATEST:
        raise _no_date(text)
    return int(moment.timestamp())


def parse_end(text: str, now: float) -> int:
    """Read until when something counts: a time as :func:`parse_date` reads it, or a number of days from now on.

    Returns:
        Seconds since the epoch.

    Raises:
        ParameterError: it is neither, or has passed.
    """
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text):
        return int(now) + int(text) * DAY_S
    end = parse_date(text)
    if end <= now:
        raise ParameterError(f"{text[:60]!r} has passed: a time to come is expected, or a number of days")
    return end


def build_date(seconds: int) -> str:
    """Write a time: ``2026-01-31T04:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _no_date(text: str) -> ParameterError:
    return ParameterError(f"{text[:60]!r} is no time: a day is expected, such as 2026-01-31, or 2026-01-31T04:00:00Z")
