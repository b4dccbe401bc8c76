"""From a job's end as the server tells it to the launcher's line and exit code."""

import base64
from typing import Any

import pytest

from headless.errors import ProtocolError
from headless.job import Ending, JobState, Outcome
from headless.launcher.outcome import build_error, format_tail, parse_outcome, read_job_status

TABLE: list[tuple[Outcome, JobState, int, int | None, str]] = [
    (Outcome(ending=Ending.STATUS, code=0), JobState.ENDED, 0, 0, ""),
    (Outcome(ending=Ending.STATUS, code=0, reason="left 1 process"), JobState.ENDED, 0, 0, ""),
    (Outcome(ending=Ending.STATUS, code=1), JobState.FAILED, 4, 1, "job X failed: exit status 1"),
    (Outcome(ending=Ending.STATUS, code=255, reason="R"), JobState.FAILED, 4, 255, "job X failed: exit status 255 (R)"),
    (Outcome(ending=Ending.EXCEPTION, code=1, reason="E: e"), JobState.FAILED, 4, 1, "job X failed: E: e"),
    (Outcome(ending=Ending.SIGNAL, code=9), JobState.FAILED, 4, 137, "job X failed: killed by signal 9 (SIGKILL)"),
    (Outcome(ending=Ending.SIGNAL, code=64), JobState.FAILED, 4, 192, "job X failed: killed by signal 64 (SIGRTMAX)"),
    (Outcome(ending=Ending.SIGNAL, code=15, reason="R"), JobState.FAILED, 4, 143, "killed by signal 15 (SIGTERM) (R)"),
    (Outcome(ending=Ending.SIGNAL, code=99), JobState.FAILED, 4, 227, "job X failed: killed by signal 99"),
    (Outcome(ending=Ending.NOT_STARTED, code=127, reason="no disk"), JobState.FAILED, 4, None, "job X failed: no disk"),
    (Outcome(ending=Ending.NOT_STARTED, reason=""), JobState.FAILED, 4, None, "job X failed: not_started"),
    (Outcome(ending=Ending.LIMIT, code=9, reason="R"), JobState.STOPPED, 7, None, "job X was stopped: R"),
    (Outcome(ending=Ending.CANCELLED, reason="by me"), JobState.STOPPED, 7, None, "job X was stopped: by me"),
    (Outcome(ending=Ending.EXPIRED, reason="late"), JobState.STOPPED, 6, None, "job X was not started: late"),
    (Outcome(ending=Ending.LOST, reason="gone"), JobState.LOST, 8, None, "job X: its outcome is unknown: gone"),
]


@pytest.mark.parametrize(("outcome", "state", "code", "own", "line"), TABLE, ids=[str(row[0].ending) for row in TABLE])
def test_every_ending_has_its_state_its_code_and_its_line(
    outcome: Outcome, state: JobState, code: int, own: int | None, line: str
) -> None:
    assert outcome.state is state and state.is_final
    error = build_error(outcome, "job X")
    assert (0 if error is None else error.exit_code) == code
    assert line in str(error or "") and (error is None) == (line == "")
    assert read_job_status(outcome) == own


GOOD: dict[str, Any] = {"ending": "status", "code": 3, "reason": "r", "duration_s": 1, "dropped": {"stdout": 7}}


def test_the_servers_news_are_read_as_they_stand() -> None:
    expected = Outcome(ending=Ending.STATUS, code=3, reason="r", duration_s=1.0, dropped={"stdout": 7})
    assert parse_outcome({**GOOD, "job_id": "X", "new in a later version": 1}) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"ending": "flown"},
        {"ending": None},
        {"code": "3"},
        {"code": True},
        {"code": 3.0},
        {"dropped": None},
        {"dropped": {"stdout": "many"}},
        {"duration_s": "long"},
        {"duration_s": None},
    ],
)
def test_news_that_cannot_be_read_are_the_servers_fault(change: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        parse_outcome({**GOOD, **change})


@pytest.mark.parametrize("name", sorted(GOOD))
def test_news_in_which_something_is_missing_are_the_servers_fault(name: str) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        parse_outcome({key: value for key, value in GOOD.items() if key != name})


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("tail", [None, {}, [], {"stdout": ""}, {"stdout": None}, {"stdin": _encode(b"x")}])
def test_no_output_makes_no_tail(tail: Any) -> None:
    assert format_tail(tail) == ""


def test_the_tail_shows_twenty_lines_of_each_output_fit_for_a_terminal() -> None:
    stdout = b"".join(b"%d\n" % number for number in range(30))
    text = format_tail({"stdout": _encode(stdout), "stderr": _encode(b"\ta\x1b]0;b\x07\xffc\rd\xc2\x85e")})
    assert text.splitlines() == [
        "--- the end of its stdout:",
        *(str(number) for number in range(10, 30)),
        "--- the end of its stderr:",
        "\ta\ufffd]0;b\ufffd\ufffdc",
        "d",
        "e",
    ]
