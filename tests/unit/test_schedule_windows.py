"""The Windows task: its triggers against cron's own rule, its values, and what is refused."""

from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from headless.errors import ParameterError
from headless.schedule.expression import parse_expression
from headless.schedule.windows import build_task, encode_task
from schedule_oracle import NAMESPACE, check_task, is_due, starts_of

PROGRAM = r"C:\Program Files\headless\headless.exe"


def build(at: str = "17 3 * * *", argv: tuple[str, ...] = (PROGRAM,), **given: Any) -> str:
    """Build a task with ordinary values for all that is not given."""
    values = {"description": "Nightly", "limit_s": 60, "working_folder": "C:\\", **given}
    return build_task(parse_expression(at), argv, **values)


def text_of(task: Element, path: str) -> str | None:
    return task.findtext("/".join(NAMESPACE + tag for tag in path.split("/")))


def every_day(at: str) -> str:
    """The same times without the days."""
    return " ".join([*at.split()[:2], "* * *"])


def moment(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60))


def triggers_of(text: str) -> list[Element]:
    return list(fromstring(text).iter(f"{NAMESPACE}CalendarTrigger"))


@pytest.mark.parametrize(
    ("at", "triggers"),
    [
        ("17 3 * * *", 1),
        ("* * * * *", 1),
        ("*/15 * * * *", 1),
        ("*/15 9-17 * * *", 1),
        ("7,37 * * * *", 1),
        ("0 */5 * * *", 1),
        ("0 8,9,10,17 * * *", 2),
        ("*/7 * * * *", 9),
        ("0,5 */2 * * *", 2),
        ("0-10/2 6,18 * * *", 2),
        ("0,1,5 0-23/3 * * *", 3),
        ("30 4 1,15 * *", 1),
        ("30 4 29 2 *", 1),
        ("30 4 * 1,7 *", 1),
        ("30 4 31 1-6 *", 1),
        ("30 4 * * mon-fri", 1),
        ("30 4 * * 0", 1),
        ("30 4 * jun-aug 6,7", 1),
        ("30 4 13 * 5", 2),
        ("*/20 4 1-7 2,3 mon", 2),
        ("30 4 */2 * *", 1),
        ("30 4 30 2 5", 1),
    ],
)
def test_the_triggers_fire_when_cron_would_start(at: str, triggers: int) -> None:
    task = fromstring(build(at))
    check_task(task)
    assert len(list(task.iter(f"{NAMESPACE}CalendarTrigger"))) == triggers
    due = {minute for minute in range(1440) if is_due(every_day(at), moment(date(2024, 1, 1), minute))}
    for day in (date(2024, 1, 1) + timedelta(days=number) for number in range(366)):
        expected = due if is_due(at, moment(day, min(due))) else set()
        assert starts_of(task, day) == expected, day


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("0 0 */2 * 1", "match both day fields"),
        ("0 0 13 * */2", "match both day fields"),
        ("1,2,4,8,16,32,59 0,1,3,7,11,12,17,23 13 * 5", "takes 48"),
    ],
)
def test_what_the_task_scheduler_cannot_say_is_refused(at: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        build(at)


def test_two_triggers_of_the_same_moment_get_no_random_delay() -> None:
    assert [text_of(trigger, "RandomDelay") for trigger in triggers_of(build("0 4 13 * 5"))] == [None, None]
    assert [text_of(trigger, "RandomDelay") for trigger in triggers_of(build("0 4 13 * *"))] == ["PT30S"]
    assert [text_of(trigger, "RandomDelay") for trigger in triggers_of(build(random_delay_s=0))] == [None]


@pytest.mark.parametrize(
    ("given", "path", "text"),
    [
        ({"limit_s": 3720}, "Settings/ExecutionTimeLimit", "PT3720S"),
        ({"limit_s": None}, "Settings/ExecutionTimeLimit", "PT0S"),
        ({}, "Settings/MultipleInstancesPolicy", "IgnoreNew"),
        ({}, "Settings/StartWhenAvailable", "true"),
        ({"working_folder": "D:\\jobs"}, "Actions/Exec/WorkingDirectory", "D:\\jobs"),
        ({}, "Actions/Exec/Command", PROGRAM),
        ({"user": "CORP\\ops"}, "Principals/Principal/UserId", "CORP\\ops"),
        ({}, "Principals/Principal/UserId", None),
        ({}, "Principals/Principal/LogonType", "S4U"),
        ({"logon_type": "Password"}, "Principals/Principal/LogonType", "Password"),
        ({"description": "<a> & ü"}, "RegistrationInfo/Description", "<a> & ü"),
    ],
)
def test_a_value_stands_in_its_element(given: dict[str, Any], path: str, text: str | None) -> None:
    task = fromstring(build(**given))
    check_task(task)
    assert text_of(task, path) == text


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["-m", "tidy"], "-m tidy"),
        (["two words", ""], '"two words" ""'),
        (['say "hi"'], '"say \\"hi\\""'),
        (["C:\\a b\\"], '"C:\\a b\\\\"'),
        (["50%", "&<>ü", "$x"], "50% &<>ü $x"),
    ],
)
def test_arguments_are_quoted_as_windows_programs_read_them(words: list[str], written: str) -> None:
    task = fromstring(build(argv=(PROGRAM, *words)))
    assert text_of(task, "Actions/Exec/Arguments") == written


@pytest.mark.parametrize(
    ("argv", "given", "words"),
    [
        (("headless.exe",), {}, "no absolute Windows path"),
        (("/usr/bin/headless",), {}, "no absolute Windows path"),
        (("C:\\" + "a" * 258,), {}, "260"),
        ((PROGRAM,), {"working_folder": "jobs"}, "no absolute Windows path"),
        ((PROGRAM, "%PATH%"), {}, "'%PATH%'"),
        ((PROGRAM, "a%b", "c%d"), {"working_folder": "C:\\%TEMP%"}, "'%TEMP%'"),
        ((PROGRAM, "$(Arg0)"), {}, "would replace"),
        ((PROGRAM, "$$"), {}, "would replace"),
        ((PROGRAM, "a\nb"), {}, "line end"),
        ((PROGRAM, "\udcff"), {}, "not text"),
        ((PROGRAM,), {"user": "a\nb"}, "line end"),
    ],
)
def test_what_would_be_changed_is_refused(argv: tuple[str, ...], given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        build(argv=argv, **given)


def test_the_text_is_right_in_every_encoding_and_the_file_is_utf_16() -> None:
    text = build(description="ü €")
    assert text.isascii()
    expected = text_of(fromstring(text), "RegistrationInfo/Description")
    for data in (text.encode(), text.encode("utf-16"), encode_task(text)):
        assert text_of(fromstring(data), "RegistrationInfo/Description") == expected == "ü €"
    data = encode_task(text)
    assert data.startswith(b"\xff\xfe<\0?\0x\0m\0l\0")
    assert data.decode("utf-16").startswith('<?xml version="1.0" encoding="UTF-16"?>\r\n<Task ')


def test_the_schema_check_sees_a_wrong_order_a_stranger_and_a_bad_text() -> None:
    for old, new in (
        ("</StartBoundary>", "</StartBoundary><Enabled>true</Enabled>"),
        ("<DaysInterval>", "<Weekly>"),
        ("IgnoreNew", "Never"),
    ):
        text = build().replace(old, new).replace("</DaysInterval>" if new == "<Weekly>" else "\0", "</Weekly>")
        with pytest.raises((AssertionError, KeyError)):
            check_task(fromstring(text))
