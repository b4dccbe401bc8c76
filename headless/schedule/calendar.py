"""A cron expression as systemd's calendar events (systemd.time(7))."""

from collections.abc import Iterator, Sequence

from headless.schedule.expression import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, CronExpression

__all__ = ["build_calendars"]

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def build_calendars(expression: CronExpression) -> tuple[str, ...]:
    """Build the values of the ``OnCalendar=`` lines: two where cron starts on either of two day fields, else one."""
    hours = _component(expression.hours, range(24))
    minutes = _component(expression.minutes, range(60))
    months = _component(expression.months, ALL_MONTHS)
    calendars = []
    for rule in expression.day_rules:
        days = _component(rule.days, ALL_DAYS)
        weekdays = "" if rule.weekdays == ALL_WEEKDAYS else f"{_weekdays(rule.weekdays)} "
        calendars.append(f"{weekdays}*-{months}-{days} {hours}:{minutes}:00")
    return tuple(calendars)


def _component(values: Sequence[int], allowed: Sequence[int]) -> str:
    """Write a set of numbers: ``*``, ``00/15``, ``09..17/2``, or a list with ranges."""
    if len(values) == len(allowed):
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 1
    if step > 1 and list(values) == list(range(values[0], values[-1] + 1, step)):
        end = "" if values[-1] + step > allowed[-1] else f"..{values[-1]:02d}"
        return f"{values[0]:02d}{end}/{step}"
    return ",".join(_range(f"{first:02d}", f"{last:02d}", last - first) for first, last in _runs(values))


def _weekdays(values: Sequence[int]) -> str:
    """Write weekdays, of which cron's 0 is Sunday, in systemd's order, of which Monday is the first."""
    names = sorted((value - 1) % 7 for value in values)
    return ",".join(_range(_WEEKDAYS[first], _WEEKDAYS[last], last - first) for first, last in _runs(names))


def _range(first: str, last: str, distance: int) -> str:
    if distance == 0:
        return first
    return f"{first},{last}" if distance == 1 else f"{first}..{last}"


def _runs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours."""
    first = last = values[0]
    for value in values[1:]:
        if value != last + 1:
            yield first, last
            first = value
        last = value
    yield first, last
