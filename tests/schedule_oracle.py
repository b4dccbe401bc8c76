"""What the schedule tests hold conversions against: cron's rule asked minute by minute, and the task schema's rules.

The schema itself, [MS-TSCH] section 2.5, is not at hand as a file. ``check_task`` asks for its rules on the elements
that headless writes: which may stand where, in which order, how often, and with what text.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

NAMES = {name[:3].lower(): str(number % 7) for number, name in enumerate(WEEKDAYS, start=1)} | {
    name[:3].lower(): str(number) for number, name in enumerate(MONTHS, start=1)
}


def is_due(text: str, moment: datetime) -> bool:
    """Whether cron starts a line with these five fields in this minute (crontab(5))."""
    minute, hour, day, month, weekday = re.sub("[a-z]+", lambda name: NAMES[name[0]], text.lower()).split()
    if not (_hits(minute, moment.minute, 0) and _hits(hour, moment.hour, 0) and _hits(month, moment.month, 1)):
        return False
    number = moment.isoweekday()
    on_day = _hits(day, moment.day, 1)
    on_weekday = _hits(weekday, number, 0) or (number == 7 and _hits(weekday, 0, 0))
    if day[0] == "*" or weekday[0] == "*":
        return on_day and on_weekday
    return on_day or on_weekday


def _hits(field: str, value: int, low: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if span == "*" else int(first)
        end = 99 if span == "*" else int(last or first)
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


class Rule(NamedTuple):
    """What the schema says of an element: its children and how often each may stand there, or its text."""

    children: Mapping[str, tuple[int, int]] = {}
    ordered: bool = False
    text: str | None = None


DURATION = r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?"
BOOLEAN = "true|false"
TRIGGER_BASE = {
    "Enabled": (0, 1),
    "StartBoundary": (0, 1),
    "EndBoundary": (0, 1),
    "Repetition": (0, 1),
    "ExecutionTimeLimit": (0, 1),
}
SCHEDULES = {"ScheduleByDay", "ScheduleByWeek", "ScheduleByMonth", "ScheduleByMonthDayOfWeek"}
RULES = {
    "Task": Rule(
        {
            "RegistrationInfo": (0, 1),
            "Triggers": (0, 1),
            "Settings": (0, 1),
            "Principals": (0, 1),
            "Actions": (1, 1),
        }
    ),
    "RegistrationInfo": Rule({"Description": (0, 1)}),
    "Triggers": Rule({"CalendarTrigger": (0, 48)}),
    "CalendarTrigger": Rule(TRIGGER_BASE | {"RandomDelay": (0, 1)} | dict.fromkeys(SCHEDULES, (0, 1)), ordered=True),
    "Repetition": Rule({"Interval": (1, 1), "Duration": (0, 1), "StopAtDurationEnd": (0, 1)}),
    "ScheduleByDay": Rule({"DaysInterval": (0, 1)}),
    "ScheduleByWeek": Rule({"WeeksInterval": (0, 1), "DaysOfWeek": (0, 1)}),
    "ScheduleByMonth": Rule({"DaysOfMonth": (0, 1), "Months": (0, 1)}),
    "ScheduleByMonthDayOfWeek": Rule({"Weeks": (0, 1), "DaysOfWeek": (1, 1), "Months": (0, 1)}),
    "DaysOfWeek": Rule(dict.fromkeys(WEEKDAYS, (0, 1))),
    "Months": Rule(dict.fromkeys(MONTHS, (0, 1))),
    "DaysOfMonth": Rule({"Day": (0, 32)}),
    "Weeks": Rule({"Week": (0, 5)}),
    "Principals": Rule({"Principal": (1, 1)}),
    "Principal": Rule({"UserId": (0, 1), "LogonType": (0, 1), "RunLevel": (0, 1)}),
    "Settings": Rule(
        {
            "MultipleInstancesPolicy": (0, 1),
            "DisallowStartIfOnBatteries": (0, 1),
            "StopIfGoingOnBatteries": (0, 1),
            "AllowHardTerminate": (0, 1),
            "StartWhenAvailable": (0, 1),
            "RunOnlyIfNetworkAvailable": (0, 1),
            "Enabled": (0, 1),
            "ExecutionTimeLimit": (0, 1),
        }
    ),
    "Actions": Rule({"Exec": (1, 32)}),
    "Exec": Rule({"Command": (1, 1), "Arguments": (0, 1), "WorkingDirectory": (0, 1)}),
    "Description": Rule(text="(?s).*"),
    "StartBoundary": Rule(text=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
    "Interval": Rule(text=DURATION),
    "Duration": Rule(text=DURATION),
    "RandomDelay": Rule(text=DURATION),
    "ExecutionTimeLimit": Rule(text=DURATION),
    "DaysInterval": Rule(text="[1-9]"),
    "WeeksInterval": Rule(text="[1-9]"),
    "Day": Rule(text="[1-9]|[1-2][0-9]|3[0-1]|Last"),
    "Week": Rule(text="[1-4]|Last"),
    "UserId": Rule(text=".+"),
    "LogonType": Rule(text="S4U|Password|InteractiveToken|InteractiveTokenOrPassword"),
    "RunLevel": Rule(text="LeastPrivilege|HighestAvailable"),
    "MultipleInstancesPolicy": Rule(text="Parallel|Queue|IgnoreNew|StopExisting"),
    "Command": Rule(text=".{1,260}"),
    "Arguments": Rule(text=".*"),
    "WorkingDirectory": Rule(text=".{1,260}"),
} | dict.fromkeys(
    (
        "StopAtDurationEnd",
        "DisallowStartIfOnBatteries",
        "StopIfGoingOnBatteries",
        "AllowHardTerminate",
        "StartWhenAvailable",
        "RunOnlyIfNetworkAvailable",
        "Enabled",
    ),
    Rule(text=BOOLEAN),
)
EMPTY = {*WEEKDAYS, *MONTHS}


def check_task(task: Element) -> None:
    """Fail where a task breaks a rule of the schema."""
    assert task.tag == f"{NAMESPACE}Task"
    assert re.fullmatch(r"\d+(\.\d+){1,3}", task.get("version", "1.2"))
    _check(task)
    principal = task.find(f"{NAMESPACE}Principals/{NAMESPACE}Principal")
    actions = task.find(f"{NAMESPACE}Actions")
    assert principal is not None
    assert actions is not None
    assert actions.get("Context") == principal.get("id")
    for repetition in task.iter(f"{NAMESPACE}Repetition"):
        assert 1 <= minutes_of(repetition, "Interval") <= 31 * 24 * 60
        assert minutes_of(repetition, "Duration") > minutes_of(repetition, "Interval")


def _check(element: Element) -> None:
    tag = element.tag.removeprefix(NAMESPACE)
    if tag in EMPTY:
        assert not element.text
        assert not len(element)
        return
    rule = RULES[tag]
    names = [child.tag.removeprefix(NAMESPACE) for child in element]
    assert set(names) <= set(rule.children), tag
    for name, (fewest, most) in rule.children.items():
        assert fewest <= names.count(name) <= most, f"{name} in {tag}"
    if rule.ordered:
        assert names == sorted(names, key=list(rule.children).index), tag
    if tag == "CalendarTrigger":
        assert len(SCHEDULES.intersection(names)) == 1
    if rule.text is not None:
        assert re.fullmatch(rule.text, element.text or ""), tag
    for child in element:
        _check(child)


def minutes_of(parent: Element, tag: str) -> int:
    """The minutes of a child that is a duration of whole minutes."""
    match = re.fullmatch(r"PT(\d+)M", parent.findtext(f"{NAMESPACE}{tag}", ""))
    assert match, tag
    return int(match[1])


def starts_of(task: Element, day: date) -> set[int]:
    """The minutes of a day at which the task's triggers fire."""
    found: set[int] = set()
    for trigger in task.iter(f"{NAMESPACE}CalendarTrigger"):
        schedule = next(child for child in trigger if child.tag.removeprefix(NAMESPACE) in SCHEDULES)
        if not _is_on(schedule, day):
            continue
        first = datetime.fromisoformat(trigger.findtext(f"{NAMESPACE}StartBoundary", ""))
        start = 60 * first.hour + first.minute
        repetition = trigger.find(f"{NAMESPACE}Repetition")
        if repetition is None:
            found.add(start)
        else:
            end = start + minutes_of(repetition, "Duration")
            assert end <= 24 * 60, "a repetition runs into the next day"
            found.update(range(start, end, minutes_of(repetition, "Interval")))
    return found


def _is_on(schedule: Element, day: date) -> bool:
    months = schedule.find(f"{NAMESPACE}Months")
    if months is not None and months.find(NAMESPACE + MONTHS[day.month - 1]) is None:
        return False
    weekdays = schedule.find(f"{NAMESPACE}DaysOfWeek")
    if weekdays is not None and weekdays.find(NAMESPACE + WEEKDAYS[day.weekday()]) is None:
        return False
    weeks = {week.text for week in schedule.iter(f"{NAMESPACE}Week")}
    if weeks and str((day.day + 6) // 7) not in weeks and not (day.day > 28 and "Last" in weeks):
        return False
    days = {number.text for number in schedule.iter(f"{NAMESPACE}Day")}
    return not days or str(day.day) in days
