"""Trying again: the pauses, what is worth another try, and a delay that spreads a fleet."""

import datetime
import time

import pytest

from headless.errors import (
    ConnectionFailed,
    HeadlessError,
    ParameterError,
    ProtocolError,
    Refused,
    Unavailable,
    Untrusted,
)
from headless.launcher.attempts import GIVE_UP_S, LONGEST_PAUSE_S, Attempts, choose_pause
from headless.launcher.not_after import parse_not_after
from headless.launcher.opening import is_worth_another_try
from headless.launcher.splay import compute_splay
from headless.launcher.talk import Talk

NOW = datetime.datetime(2026, 10, 25, 0, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("failures", "left_s", "draw", "pause_s"),
    [
        (0, 30, 0.5, 0.1),
        (1, 30, 0.5, 0.2),
        (2, 30, 0.5, 0.4),
        (4, 30, 0.5, 1.6),
        (5, 30, 0.5, 2.5),
        (5000, 30, 0.5, 2.5),
        (0, 30, 0.0, 0.0),
        (9, 4, 0.75, 3.28125),  # the pause would be 3.75
        (9, 2, 0.5, 1.3125),
        (9, 0.35, 0.5, 0.075),
        (0, 0.24, 0.5, None),
        (0, 0, 0.5, None),
        (0, -5, 0.5, None),
    ],
)
def test_pauses_grow_and_leave_time_for_another_attempt(
    failures: int, left_s: float, draw: float, pause_s: float | None
) -> None:
    assert choose_pause(failures, left_s, draw) == (None if pause_s is None else pytest.approx(pause_s))


@pytest.mark.parametrize("draw", [0.0, 0.3, 0.999999])
def test_every_row_of_pauses_comes_to_an_end_within_its_time(draw: float) -> None:
    left_s, failures = 30.0, 0
    while (pause_s := choose_pause(failures, left_s, draw)) is not None:
        assert 0 <= pause_s < LONGEST_PAUSE_S and pause_s <= left_s - GIVE_UP_S
        left_s -= pause_s + 0.01  # what an attempt takes
        failures += 1
    assert -0.02 < left_s < GIVE_UP_S


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionFailed("x"), True),
        (Unavailable("x"), True),
        (ProtocolError("x"), False),
        (Untrusted("x"), False),
        (Refused("x"), False),
        (ParameterError("x"), False),
    ],
)
def test_what_is_worth_another_try(error: HeadlessError, expected: bool) -> None:
    assert is_worth_another_try(error) is expected


def test_the_last_reason_is_the_one_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = iter([ConnectionFailed("second"), Untrusted("third")])

    def attempt() -> None:
        raise next(reasons)

    with pytest.raises(Untrusted, match="third"):
        Attempts(Talk(1)).repeat(attempt, ConnectionFailed("first"), time.monotonic() + 60)
    assert capsys.readouterr().err == "headless: first: trying again\nheadless: second: trying again\n"


def test_an_attempt_that_succeeds_is_the_last_one() -> None:
    assert Attempts(Talk(0)).repeat(lambda: 5, ConnectionFailed("first"), time.monotonic() + 60) == 5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0.5", 0.5),
        ("2026-10-25T00:30:00Z", 1800),
        ("2026-10-25T02:30:00+02:00", 1800),  # in Berlin this wall time comes twice that night; with an offset, once
        ("2026-10-25T02:30:00+01:00", 5400),
        ("2026-10-24 23:59:30+00:00", -30),
        ("20261025T003000Z", 1800),
    ],
)
def test_not_after_is_seconds_or_a_moment(text: str, seconds: float) -> None:
    assert parse_not_after(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "0", "1e3", "99999999999", "02:30", "2026-13-01T00:00:00Z", "NaN"])
def test_any_other_not_after_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ParameterError, match=r"--not-after .*: give seconds from now, or a time with its offset"):
        parse_not_after(text, NOW)


@pytest.mark.parametrize("text", ["2026-10-25T02:30:00", "2026-10-25", "2026-10-25 02:30"])
def test_a_time_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"has no offset from UTC, and may mean any hour: add Z or, say, .02:00"):
        parse_not_after(text, NOW)


def test_a_splay_is_stable_and_spreads() -> None:
    delays = [compute_splay(f"host{number}", "nightly", 600) for number in range(500)]
    assert delays == [compute_splay(f"host{number}", "nightly", 600) for number in range(500)]
    assert all(0 <= delay < 600 for delay in delays)
    for quarter in range(4):
        assert 75 < sum(quarter * 150 <= delay < quarter * 150 + 150 for delay in delays) < 175
    assert compute_splay("host1", "other", 600) != delays[1]
    # From SHA-256 of b"a\nb", worked out by another program: a new release must not move a fleet's jobs.
    assert compute_splay("a", "b", 1) == pytest.approx(int("7e18f737311b", 16) / 2**48)


def test_what_the_server_has_said_is_told_when_the_last_attempt_hears_nothing() -> None:
    errors = iter([Unavailable("the disk is full"), ConnectionFailed("no answer in time")])

    def attempt() -> None:
        raise next(errors, ConnectionFailed("no answer in time"))

    with pytest.raises(ConnectionFailed, match=r"^no answer in time; before that: the disk is full$"):
        Attempts(Talk(-1)).repeat(attempt, ConnectionFailed("refused"), time.monotonic() + 1.0)
