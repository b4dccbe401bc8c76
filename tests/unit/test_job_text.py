"""How jobs are written for people: lengths of time, points in time, the table, the lines of one job."""

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headless.cli.job_text import format_duration, format_job, format_table, format_time
from headless.protocol.codec import encode_bytes

JOB_ID = "01JD3Z0000000000000000TEST"


@pytest.fixture(autouse=True)
def in_nepal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone whose offset is no whole number of hours."""
    monkeypatch.setenv("TZ", "NPT-5:45")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def build_job(**changes: Any) -> dict[str, Any]:
    """A job as ``job.show`` tells of it, that ended well unless something else is said."""
    return {
        "job_id": JOB_ID,
        "name": "nightly",
        "kind": "module",
        "module": "nightly-report",
        "user": "batch",
        "run_as": "nobody",
        "origin": "192.0.2.1",
        "overlap": "allow",
        "state": "ended",
        "accepted_at": 1_700_000_000.0,
        "started_at": 1_700_000_000.5,
        "ended_at": 1_700_000_062.25,
        "duration_s": 61.75,
        "ending": "status",
        "code": 0,
        "reason": "",
        "dropped": {},
        "source_sha256": "ab" * 32,
        "arguments": ["--days", "30", "a b"],
        "stdin": False,
        "waits_for": [],
        "progress": [3, 10],
        "has_result": True,
        **changes,
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.000s"),
        (0.0004, "0.000s"),
        (0.0567, "0.056s"),
        (59.9999, "59.999s"),
        (60, "1m00s"),
        (61.75, "1m01s"),
        (3599.9, "59m59s"),
        (3600, "1h00m"),
        (86399, "23h59m"),
        (86400, "1d00h"),
        (10 * 86400 + 3 * 3600, "10d03h"),
        (-1, "-"),
        (1e300, f"{int(1e300) // 86400}d{int(1e300) % 86400 // 3600:02}h"),
    ],
)
def test_a_duration_has_no_spaces_and_never_says_more_than_passed(seconds: Any, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T05:45:00+05:45"),
        (1_700_000_000.9, "2023-11-15T03:58:20+05:45"),
    ],
)
def test_a_time_is_local_with_its_offset(seconds: Any, text: str) -> None:
    assert format_time(seconds) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, "61", [], {}])
def test_what_is_no_time_is_a_dash(value: object) -> None:
    assert format_time(value) == format_duration(value) == "-"


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_a_time_beyond_the_calendar_is_a_dash(value: float) -> None:
    assert format_time(value) == "-"


def test_no_jobs_are_no_text() -> None:
    assert format_table([], None) == ""


def test_the_table_is_aligned_and_its_columns_hold_no_spaces() -> None:
    failed = build_job(name="x" * 20, state="failed", code=3, duration_s=0.5, reason="a process was left behind")
    running = build_job(state="running", ending=None, code=None, duration_s=None, ended_at=None)
    killed = build_job(state="failed", ending="signal", code=9)
    lines = format_table([build_job(), failed, running, killed], None).splitlines()
    assert lines[0].split() == ["ID", "STATE", "NAME", "USER", "ACCEPTED", "DURATION", "HOW", "IT", "ENDED"]
    assert [line.split(maxsplit=6) for line in lines[1:]] == [
        [JOB_ID, "ended", "nightly", "batch", "2023-11-15T03:58:20+05:45", "1m01s", "exit status 0"],
        [
            *(JOB_ID, "failed", "x" * 20, "batch", "2023-11-15T03:58:20+05:45", "0.500s"),
            "exit status 3 (a process was left behind)",
        ],
        [JOB_ID, "running", "nightly", "batch", "2023-11-15T03:58:20+05:45", "-", "-"],
        [JOB_ID, "failed", "nightly", "batch", "2023-11-15T03:58:20+05:45", "1m01s", "killed by signal 9 (SIGKILL)"],
    ]
    assert len({line.index(line.split()[1]) for line in lines}) == 1


def test_on_a_terminal_lines_are_cut_and_say_so() -> None:
    whole = format_table([build_job(reason="long " * 50)], None).splitlines()
    assert len(whole[1]) > 300
    for width, longest in ((150, 150), (119, 119), (80, 118), (1, 118)):  # 88 columns, and 30 for how it ended
        cut = format_table([build_job(reason="long " * 50)], width).splitlines()
        assert cut == [whole[0], whole[1][: longest - 1] + "\u2026"]


HOSTILE = "\x1b[2J\r\nfake line\x07\u202e\x00"


def test_nothing_that_a_server_tells_can_steer_a_terminal() -> None:
    names = ("job_id", "state", "name", "user", "ending", "reason", "origin", "run_as", "module", "kind", "overlap")
    job = build_job(
        **dict.fromkeys(names, HOSTILE),
        arguments=[HOSTILE], source_sha256=HOSTILE, waits_for=[HOSTILE], progress=[HOSTILE, HOSTILE],
        dropped={HOSTILE: HOSTILE}, tail={"stdout": encode_bytes(HOSTILE.encode()), "stderr": ""},
    )  # fmt: skip
    table, page = format_table([job], None), format_job(job)
    assert len(table.splitlines()) == 2
    assert len(page.splitlines()) == 21 + 1 + 2  # a line each, the tail's title, and its two lines
    assert all(character.isprintable() for character in (table + page).replace("\n", ""))
    assert len(table.splitlines()[1].split()) >= 7  # a space in a name would shift the columns


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [1], True, 1.5, [[]], {"a": []}])
def test_values_of_any_type_are_shown_without_failing(value: Any) -> None:
    job = dict.fromkeys(build_job(), value) | {"tail": value}
    assert format_job(job).endswith("\n")
    assert format_table([job, {}], None).endswith("\n")
    assert format_job({}).count("\n") == 21


def test_one_job_is_lines_of_a_key_and_its_value() -> None:
    lines = format_job(build_job(dropped={"stdout": 4096, "stderr": 0}, waits_for=["A", "B"])).splitlines()
    assert dict(line.split(maxsplit=1) for line in lines) == {
        "id": JOB_ID,
        "name": "nightly",
        "kind": "module",
        "module": "nightly-report",
        "user": "batch",
        "run-as": "nobody",
        "from": "192.0.2.1",
        "overlap": "allow",
        "state": "ended",
        "accepted": "2023-11-15T03:58:20+05:45",
        "started": "2023-11-15T03:58:20+05:45",
        "ended": "2023-11-15T03:59:22+05:45",
        "duration": "1m01s",
        "outcome": "exit status 0",
        "cut": "4096 bytes of stdout",
        "sha256": "ab" * 32,
        "arguments": "--days 30 'a b'",
        "stdin": "no",
        "waits-for": "A B",
        "progress": "3/10",
        "result": "yes",
    }
    assert len({line.index(line.split(maxsplit=1)[1], 11) for line in lines}) == 1


def test_a_failed_job_shows_its_last_lines() -> None:
    tail = {"stdout": encode_bytes(b"out\n"), "stderr": encode_bytes(b"first\nlast\n")}
    lines = format_job(build_job(state="failed", code=1, tail=tail)).splitlines()
    assert lines[-5:] == ["--- the end of its stdout:", "out", "--- the end of its stderr:", "first", "last"]
