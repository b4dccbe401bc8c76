"""A cron expression as triggers of the Windows Task Scheduler ([MS-TSCH] section 2.5.3.9)."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from headless.errors import ParameterError
from headless.schedule.expression import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, CronExpression, DayRule

__all__ = ["TRIGGER_LIMIT", "build_triggers"]

TRIGGER_LIMIT = 48
"""Most triggers that one task can have."""

_FIRST_DAY = "2024-01-01"  # any day of the past, so that the same input builds the same text
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKS = ("1", "2", "3", "4", "Last")  # all weeks of a month: the last is the fourth or the fifth


class _Series(NamedTuple):
    """Starts in one day, in minutes after midnight: the first, and the last of those ``step`` minutes apart."""

    first: int
    last: int
    step: int


def build_triggers(expression: CronExpression, *, random_delay_s: int) -> list[Element]:
    """Build the calendar triggers.

    Where cron starts on either of two day fields there is one trigger for each. On a day that both match, both fire
    at the same moment and the task's policy drops one: so these get no random delay.

    Args:
        expression: when.
        random_delay_s: each start is put off by up to so many seconds; 0 for none.

    Raises:
        ParameterError: the Task Scheduler cannot say this, or only with more than ``TRIGGER_LIMIT`` triggers.
    """
    rules = expression.day_rules
    series = _best_series(expression)
    if len(series) * len(rules) > TRIGGER_LIMIT:
        raise ParameterError(
            f"cron expression '{expression.text}': the Task Scheduler would need {len(series) * len(rules)} triggers "
            f"for it and takes {TRIGGER_LIMIT}: use even steps, or several tasks"
        )
    delay_s = random_delay_s if len(rules) == 1 else 0
    return [_build_trigger(one, _build_days(rule, expression), delay_s) for rule in rules for one in series]


def _build_trigger(series: _Series, days: Element, delay_s: int) -> Element:
    trigger = Element("CalendarTrigger")
    SubElement(trigger, "StartBoundary").text = f"{_FIRST_DAY}T{series.first // 60:02d}:{series.first % 60:02d}:00"
    if series.last > series.first:
        repetition = SubElement(trigger, "Repetition")
        SubElement(repetition, "Interval").text = f"PT{series.step}M"
        # One minute past the last start: at exactly the last it could be left out.
        SubElement(repetition, "Duration").text = f"PT{series.last - series.first + 1}M"
        SubElement(repetition, "StopAtDurationEnd").text = "false"
    if delay_s:
        SubElement(trigger, "RandomDelay").text = f"PT{delay_s}S"
    trigger.append(days)
    return trigger


def _build_days(rule: DayRule, expression: CronExpression) -> Element:
    """Build the one element that says on which days."""
    every_month = expression.months == ALL_MONTHS
    if rule.days != ALL_DAYS and rule.weekdays != ALL_WEEKDAYS:
        raise ParameterError(
            f"cron expression '{expression.text}': it asks for days that match both day fields (one begins with '*'), "
            "which the Task Scheduler cannot say: restrict one of the two"
        )
    if rule.weekdays != ALL_WEEKDAYS:
        schedule = Element("ScheduleByWeek" if every_month else "ScheduleByMonthDayOfWeek")
        if every_month:
            SubElement(schedule, "WeeksInterval").text = "1"
        else:
            _add_texts(SubElement(schedule, "Weeks"), "Week", _WEEKS)
        _add_names(SubElement(schedule, "DaysOfWeek"), [_WEEKDAYS[day] for day in rule.weekdays])
    elif rule.days == ALL_DAYS and every_month:
        schedule = Element("ScheduleByDay")
        SubElement(schedule, "DaysInterval").text = "1"
        return schedule
    else:
        schedule = Element("ScheduleByMonth")
        _add_texts(SubElement(schedule, "DaysOfMonth"), "Day", [str(day) for day in rule.days])
    if schedule.tag != "ScheduleByWeek":
        _add_names(SubElement(schedule, "Months"), [_MONTHS[month - 1] for month in expression.months])
    return schedule


def _add_texts(parent: Element, tag: str, texts: Sequence[str]) -> None:
    for text in texts:
        SubElement(parent, tag).text = text


def _add_names(parent: Element, tags: Sequence[str]) -> None:
    for tag in tags:
        SubElement(parent, tag)


def _best_series(expression: CronExpression) -> list[_Series]:
    """The starts of one day in as few series as one of three ways gives: of all, by the minute, by the hour."""
    hours = [60 * hour for hour in expression.hours]
    ways = [
        _series([hour + minute for hour in hours for minute in expression.minutes]),
        [one for minute in expression.minutes for one in _series([hour + minute for hour in hours])],
        [one for hour in hours for one in _series([hour + minute for minute in expression.minutes])],
    ]
    return min(ways, key=len)


def _series(starts: Sequence[int]) -> list[_Series]:
    """Cut sorted starts into series of even steps, each as long as it goes."""
    found: list[_Series] = []
    for start in starts:
        if found and found[-1].last == found[-1].first:
            found[-1] = _Series(found[-1].first, start, start - found[-1].first)
        elif found and start - found[-1].last == found[-1].step:
            found[-1] = found[-1]._replace(last=start)
        else:
            found.append(_Series(start, start, 0))
    return found
