"""Cron's five-field expression: text to a value that the builders convert.

The language is that of crontab(5) on Debian, less what there never means what was meant: a range that runs backwards,
a step wider than its field, a day that no month has.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headless.errors import ParameterError

__all__ = ["ALL_DAYS", "ALL_MONTHS", "ALL_WEEKDAYS", "CronExpression", "DayRule", "parse_expression"]

ALL_DAYS = tuple(range(1, 32))
ALL_MONTHS = tuple(range(1, 13))
ALL_WEEKDAYS = tuple(range(7))

_MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PART = re.compile(r"(?:(?P<star>\*)|(?P<first>[0-9A-Za-z]+)(?:-(?P<last>[0-9A-Za-z]+))?)(?:/(?P<step>[0-9]+))?")


class DayRule(NamedTuple):
    """A day counts if its number in the month *and* its weekday are listed (0 is Sunday)."""

    days: tuple[int, ...]
    weekdays: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CronExpression:
    """When to start: each field as the sorted numbers that match.

    ``text`` is the expression with single spaces and its macro written out. ``weekdays`` are 0 (Sunday) to 6.
    ``either_day`` is cron's rule for two restricted day fields: a day counts if *one* of them matches. A field that
    begins with ``*`` is not restricted in that sense, ``*/2`` neither: then both must match (crontab(5)).
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool

    @property
    def day_rules(self) -> tuple[DayRule, ...]:
        """The rules of which a day must meet one: two where cron's "either" applies, else one."""
        if not self.either_day:
            return (DayRule(self.days, self.weekdays),)
        if self.days == ALL_DAYS or self.weekdays == ALL_WEEKDAYS:
            return (DayRule(ALL_DAYS, ALL_WEEKDAYS),)
        by_weekday = DayRule(ALL_DAYS, self.weekdays)
        if self.days[0] > _longest(self.months):
            return (by_weekday,)
        return (DayRule(self.days, ALL_WEEKDAYS), by_weekday)


@dataclass(frozen=True)
class _Field:
    """One of the five: its name in messages, its bounds, and the names that stand for numbers from ``low`` on."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str, part: str) -> int:
        """Read one number or name.

        Raises:
            ParameterError: it is neither, or out of bounds.
        """
        if text.lower() in self.names:
            return self.low + self.names.index(text.lower())
        if not text.isdigit() or not self.low <= int(text) <= self.high:
            raise self.refused(part, f"'{text}' is not allowed there")
        return int(text)

    def refused(self, part: str, why: str) -> ParameterError:
        """Build the error that names field, text, reason and what is allowed."""
        names = f" (or {self.names[0]} to {self.names[-1]})" if self.names else ""
        return ParameterError(
            f"cron expression, {self.title} field '{part}': {why}; allowed are {self.low} to {self.high}{names}, "
            "'*', ranges like 2-5, steps like */2 or 2-5/2, and lists of these with commas"
        )


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("day-of-week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def parse_expression(text: str) -> CronExpression:
    """Read a cron expression: five fields, or a macro such as ``@daily``.

    Args:
        text: minute, hour, day of month, month, day of week, as in crontab(5).

    Raises:
        ParameterError: which field is wrong, why, and what is allowed; or no day can ever match.
    """
    fields = _split(text)
    numbers = [_parse_field(field, part) for field, part in zip(_FIELDS, fields, strict=True)]
    minutes, hours, days, months, weekdays = numbers
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    either_day = not fields[2].startswith("*") and not fields[4].startswith("*")
    if not either_day and days[0] > _longest(months):
        raise ParameterError(f"cron expression '{text}': none of its months has a day {days[0]}, it would never start")
    return CronExpression(
        text=" ".join(fields),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        either_day=either_day,
    )


def _split(text: str) -> list[str]:
    """Return the five fields, a macro written out."""
    fields = text.split()
    if len(fields) == 1 and fields[0].startswith("@"):
        macro = _MACROS.get(fields[0].lower())
        if macro is None:
            raise ParameterError(f"cron expression '{text}': known are {', '.join(_MACROS)}, or five fields")
        return macro.split()
    if len(fields) != len(_FIELDS):
        titles = " ".join(field.title for field in _FIELDS)
        raise ParameterError(f"cron expression '{text}': {len(fields)} fields where cron has five: {titles}")
    return fields


def _parse_field(field: _Field, text: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for part in text.split(","):
        numbers.update(_parse_part(field, part))
    return tuple(sorted(numbers))


def _parse_part(field: _Field, part: str) -> Sequence[int]:
    """Read one entry of a field's list."""
    match = _PART.fullmatch(part)
    if match is None:
        raise field.refused(part, "not understood")
    step = _parse_step(field, part, match["step"])
    if match["star"]:
        return range(field.low, field.high + 1, step)
    first = field.number(match["first"], part)
    if match["last"] is None:
        if match["step"]:
            raise field.refused(part, f"a step needs a range, as in {first}-{field.high}/{step}")
        return [first]
    last = field.number(match["last"], part)
    if last < first:
        hint = "as last day Sunday is 7" if last == 0 and field.high == 7 else "write it as two ranges"
        raise field.refused(part, f"the range runs backwards, {hint}")
    return range(first, last + 1, step)


def _parse_step(field: _Field, part: str, step: str | None) -> int:
    if step is None:
        return 1
    widest = 6 if field.high == 7 else field.high - field.low  # the day of week 7 is 0 again
    if not 1 <= int(step) <= widest:
        raise field.refused(part, f"the step must be 1 to {widest}")
    return int(step)


def _longest(months: Sequence[int]) -> int:
    """The number of days of the longest of these months, in a leap year."""
    return max(_MONTH_LENGTHS[month - 1] for month in months)
