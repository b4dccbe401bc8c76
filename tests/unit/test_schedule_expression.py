"""Cron expressions: what is read, and what is refused in which words."""

import pytest

from headless.errors import ParameterError
from headless.schedule.expression import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, DayRule, parse_expression

MINUTES = tuple(range(60))
HOURS = tuple(range(24))


@pytest.mark.parametrize(
    ("text", "field", "numbers"),
    [
        ("17 3 * * *", "minutes", (17,)),
        ("17 3 * * *", "hours", (3,)),
        ("17 3 * * *", "days", ALL_DAYS),
        ("* * * * *", "minutes", MINUTES),
        ("*/15 * * * *", "minutes", (0, 15, 30, 45)),
        ("10-50/20 * * * *", "minutes", (10, 30, 50)),
        ("5,1-3,5 * * * *", "minutes", (1, 2, 3, 5)),
        ("007 * * * *", "minutes", (7,)),
        ("0 */7 * * *", "hours", (0, 7, 14, 21)),
        ("0 0 */10 * *", "days", (1, 11, 21, 31)),
        ("0 0 * JAN,mar-May *", "months", (1, 3, 4, 5)),
        ("0 0 * * 7", "weekdays", (0,)),
        ("0 0 * * 5-7", "weekdays", (0, 5, 6)),
        ("0 0 * * 0-7", "weekdays", ALL_WEEKDAYS),
        ("0 0 * * Mon-fri/2", "weekdays", (1, 3, 5)),
        ("0 0 * * sun,SAT", "weekdays", (0, 6)),
        ("0 0 * * */2", "weekdays", (0, 2, 4, 6)),
        ("@daily", "minutes", (0,)),
        ("@Weekly", "weekdays", (0,)),
        ("@yearly", "months", (1,)),
        ("@hourly", "hours", HOURS),
    ],
)
def test_a_field_is_read_as_its_sorted_numbers(text: str, field: str, numbers: tuple[int, ...]) -> None:
    assert getattr(parse_expression(text), field) == numbers


@pytest.mark.parametrize(
    ("text", "written"),
    [("  17\t3 * *  * ", "17 3 * * *"), ("@midnight", "0 0 * * *"), ("0 3 * jan MON-fri", "0 3 * jan MON-fri")],
)
def test_the_text_is_kept_with_single_spaces_and_without_macro(text: str, written: str) -> None:
    assert parse_expression(text).text == written


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("0 0 * * *", (DayRule(ALL_DAYS, ALL_WEEKDAYS),)),
        ("0 0 13 * *", (DayRule((13,), ALL_WEEKDAYS),)),
        ("0 0 * * 5", (DayRule(ALL_DAYS, (5,)),)),
        ("0 0 13 * 5", (DayRule((13,), ALL_WEEKDAYS), DayRule(ALL_DAYS, (5,)))),
        # A field that begins with '*' is no restriction in the sense of the "either" rule: both must match.
        ("0 0 */10 * 5", (DayRule((1, 11, 21, 31), (5,)),)),
        ("0 0 13 * */3", (DayRule((13,), (0, 3, 6)),)),
        # All days, written out, or none that exists: one of the two rules says it all.
        ("0 0 1-31 * 5", (DayRule(ALL_DAYS, ALL_WEEKDAYS),)),
        ("0 0 13 * 0-7", (DayRule(ALL_DAYS, ALL_WEEKDAYS),)),
        ("0 0 30 2 5", (DayRule(ALL_DAYS, (5,)),)),
    ],
)
def test_two_restricted_day_fields_make_two_rules(text: str, rules: tuple[DayRule, ...]) -> None:
    assert parse_expression(text).day_rules == rules


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("60 * * * *", ["minute", "'60'", "0 to 59"]),
        ("* 24 * * *", ["hour", "'24'", "0 to 23"]),
        ("* * 0 * *", ["day-of-month", "1 to 31"]),
        ("* * * 13 *", ["month", "1 to 12", "jan to dec"]),
        ("* * * foo *", ["month", "'foo'"]),
        ("* * * * 8", ["day-of-week", "0 to 7", "sun to sat"]),
        ("x * * * *", ["minute", "'x'"]),
        ("-1 * * * *", ["minute", "not understood"]),
        ("1,,2 * * * *", ["minute", "not understood"]),
        ("? * * * *", ["minute", "not understood"]),
        ("* * L * *", ["day-of-month", "'L'"]),
        ("* * * * 5#2", ["day-of-week", "not understood"]),
        ("٣ * * * *", ["minute", "not understood"]),
        ("5-1 * * * *", ["minute", "backwards", "two ranges"]),
        ("* * * * sat-sun", ["day-of-week", "backwards", "Sunday is 7"]),
        ("5/10 * * * *", ["minute", "a step needs a range", "5-59/10"]),
        ("*/0 * * * *", ["minute", "1 to 59"]),
        ("*/60 * * * *", ["minute", "1 to 59"]),
        ("* */24 * * *", ["hour", "1 to 23"]),
        ("* * * * */7", ["day-of-week", "1 to 6"]),
        ("0 0 30 2 *", ["no", "day 30", "never start"]),
        ("0 0 31 4,6,9,11 *", ["day 31"]),
        ("0 0 30 2 */2", ["day 30"]),
        ("* * * *", ["4 fields", "five", "minute hour day-of-month month day-of-week"]),
        ("* * * * * *", ["6 fields"]),
        ("", ["0 fields"]),
        ("@reboot", ["@reboot", "@daily"]),
    ],
)
def test_a_bad_expression_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_expression(text)
    for word in words:
        assert word in str(caught.value)


def test_a_leap_day_and_the_longest_of_several_months_are_possible_dates() -> None:
    assert parse_expression("0 0 29 2 *").days == (29,)
    assert parse_expression("0 0 31 2,3 *").months == (2, 3)
    assert parse_expression("0 0 1 * *").months == ALL_MONTHS
