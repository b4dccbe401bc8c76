"""What a job can say of itself: how often, how much, and that it says nothing outside of headless."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import FUZZ, JSON
from headless import job
from headless.errors import ProtocolError
from headless.job import RESULT_DEPTH, RESULT_LIMIT, Ending, JobState, Outcome
from headless.protocol.codec import Notification, decode_message, encode_message


class Reports:
    """The supervisor's end of a job's report pipe, and the job's clock."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.now = 1000.0

    def read(self) -> list[Any]:
        """The reports that have come since."""
        try:
            data = os.read(self.reader, 4 << 20)
        except BlockingIOError:
            return []
        return [json.loads(line) for line in data.splitlines()]

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.reader, self.writer):
            os.close(descriptor)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    """This process as a job's: with a report pipe, and a clock that only moves when the test says so."""
    reports = Reports()
    monkeypatch.setenv(job.REPORT_FD, str(reports.writer))
    # The clock is no real one here: a rate limit is not to be tested by the speed of the machine.
    monkeypatch.setattr(time, "monotonic", lambda: reports.now)
    monkeypatch.setattr(job, "_last_progress", 0.0)
    yield reports
    reports.close()


def nested(levels: int) -> list[Any]:
    """A value of so many levels."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_progress_is_sent_ten_times_a_second_at_most(reports: Reports) -> None:
    for step in range(1, 1000):
        job.progress(step, 1000)
        reports.now += 0.001
    sent = [report["progress"][0] for report in reports.read()]
    assert sent[0] == 1
    assert 9 <= len(sent) <= 11


def test_the_last_progress_is_always_sent(reports: Reports) -> None:
    job.progress(1, 10)
    job.progress(9, 10)
    job.progress(10, 10)
    job.progress(11, 10)
    assert reports.read() == [{"progress": [1.0, 10.0]}, {"progress": [10.0, 10.0]}, {"progress": [11.0, 10.0]}]


def test_without_a_known_total_there_is_no_last_progress(reports: Reports) -> None:
    job.progress(1, 0)
    job.progress(2, 0)
    assert reports.read() == [{"progress": [1.0, 0.0]}]
    reports.now += job.PROGRESS_INTERVAL_S
    job.progress(3, 0)
    assert reports.read() == [{"progress": [3.0, 0.0]}]


@pytest.mark.parametrize(("done", "total"), [(float("nan"), 10), (1, float("inf")), (float("-inf"), 0)])
def test_what_no_bar_could_show_is_not_sent_and_fails_nothing(reports: Reports, done: float, total: float) -> None:
    job.progress(done, total)
    assert reports.read() == []


@pytest.mark.parametrize("value", [None, 0, "", [], {"deleted": [1, 2.5, "ü", None]}, "\U0001f600", (1, 2)])
def test_a_result_is_sent_as_it_is(reports: Reports, value: Any) -> None:
    job.result(value)
    assert reports.read() == [{"result": list(value) if isinstance(value, tuple) else value}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x" * (RESULT_LIMIT - 1), "at most 1048576"),
        ("ü" * (RESULT_LIMIT // 6 + 1), "at most 1048576"),
        (float("nan"), "JSON"),
        ({"a": [float("inf")]}, "JSON"),
        ("\ud800", "surrogates"),
        ({os.fsdecode(b"\xff"): 1}, "surrogates"),
        (nested(RESULT_DEPTH + 1), "more than 30 levels"),
        ({"a": tuple(nested(RESULT_DEPTH))}, "more than 30 levels"),
        (nested(5000), "more than 30 levels"),
        (10**5000, "digits"),
    ],
    ids=[
        "too large",
        "too large escaped",
        "nan",
        "inf",
        "surrogate",
        "file name",
        "deep",
        "mixed",
        "very deep",
        "huge",
    ],
)
def test_a_result_that_cannot_be_handed_over_is_a_value_error(reports: Reports, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        job.result(value)
    assert reports.read() == []


def test_a_result_that_holds_itself_is_a_value_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="levels"):
        job.result(value)


def test_a_result_of_a_type_that_json_does_not_know_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        job.result({1, 2})


def test_the_largest_result_is_sent_although_the_pipe_holds_less(reports: Reports) -> None:
    value = "x" * (RESULT_LIMIT - 2)
    os.set_blocking(reports.reader, True)
    writer = threading.Thread(target=job.result, args=(value,))
    writer.start()
    data = b""
    while not data.endswith(b"\n"):
        data += os.read(reports.reader, 1 << 20)
    writer.join()
    assert json.loads(data) == {"result": value}


@given(JSON | st.sampled_from([nested(levels) for levels in range(28, 33)]))
@FUZZ
def test_every_result_that_is_taken_can_be_told_to_the_launcher(value: Any) -> None:
    try:
        job.result(value)
    except ValueError:
        with pytest.raises((ProtocolError, ValueError)):
            decode_message(encode_message(Notification("job.ended", {"result": value})))
        return
    told = decode_message(encode_message(Notification("job.ended", {"result": value})))
    assert told == Notification("job.ended", {"result": value})


@pytest.mark.parametrize("number", ["", "abc", "-1", "²", "99", "9" * 40, "1e3"])
def test_outside_of_headless_nothing_is_sent_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, number: str, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(job.REPORT_FD, number)
    job.progress(10, 10)
    job.result({"deleted": 3})
    monkeypatch.delenv(job.REPORT_FD)
    job.result({"deleted": 3})
    assert capfd.readouterr() == ("", "")


def test_by_hand_a_result_that_is_too_large_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(job.REPORT_FD, raising=False)
    with pytest.raises(ValueError, match="at most"):
        job.result("x" * RESULT_LIMIT)


def test_a_file_that_has_the_pipes_number_is_not_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    with path.open("wb") as file:
        monkeypatch.setenv(job.REPORT_FD, str(file.fileno()))
        job.progress(10, 10)
        job.result(1)
    assert path.read_bytes() == b""


def test_a_supervisor_that_is_gone_does_not_fail_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setenv(job.REPORT_FD, str(writer))
    try:
        job.progress(10, 10)
        job.result(1)
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome(ending=Ending.STATUS, code=0), JobState.ENDED),
        (Outcome(ending=Ending.STATUS, code=0, reason="2 processes it left behind had to be ended"), JobState.ENDED),
        (Outcome(ending=Ending.STATUS, code=1), JobState.FAILED),
        (Outcome(ending=Ending.STATUS, code=None), JobState.FAILED),
        (Outcome(ending=Ending.EXCEPTION, code=1), JobState.FAILED),
        (Outcome(ending=Ending.SIGNAL, code=9), JobState.FAILED),
        (Outcome(ending=Ending.NOT_STARTED, code=127), JobState.FAILED),
        (Outcome(ending=Ending.LOST), JobState.LOST),
        (Outcome(ending=Ending.LIMIT, code=0), JobState.STOPPED),
        (Outcome(ending=Ending.CANCELLED), JobState.STOPPED),
        (Outcome(ending=Ending.EXPIRED), JobState.STOPPED),
    ],
)
def test_only_status_0_is_a_good_end(outcome: Outcome, state: JobState) -> None:
    assert outcome.state is state
    assert state.is_final


def test_a_job_that_is_accepted_or_runs_is_not_over() -> None:
    live = [JobState.ACCEPTED, JobState.WAITING, JobState.RUNNING]
    assert [state for state in JobState if not state.is_final] == live


def test_a_jobs_script_needs_nothing_else_of_headless() -> None:
    code = "import sys; from headless import job; print(*sorted(n for n in sys.modules if n.startswith('headless.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["headless.job"]
