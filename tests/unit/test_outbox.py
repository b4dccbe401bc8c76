"""What is told, and when: decided in the transaction of the end, by a real journal."""

import json
from pathlib import Path
from typing import Any

import pytest

from headless.job import Outcome
from headless.server.hooks.events import EventKind, build_body, build_environment, build_text, make_tail
from headless.server.hooks.outbox import record_skip, record_start
from headless.server.journal import Journal
from hook_support import (
    CANCELLED,
    ENDED,
    EXPIRED,
    FAILED,
    LIMITED,
    LOST,
    end,
    make_event,
    make_hooks,
    make_start,
    read_name,
    read_outbox,
    with_journal,
)

FAIL, OK, LOSE, START, SKIP = ({"mail": name} for name in ("fail", "ok", "lose", "start", "skip"))


async def tell(journal: Journal, hooks: Any, *outcomes: Outcome) -> list[str]:
    """For each end the events that are told, and to whom: ``EVENT:TARGET``."""
    told, seen = [], 0
    for outcome in outcomes:
        await end(journal, hooks, outcome)
        rows = await read_outbox(journal)
        told.append(" ".join(f"{row['event']}:{row['action']['target'][0]}" for row in rows[seen:]))
        seen = len(rows)
    return told


@pytest.mark.parametrize(
    ("settings", "ends", "expected"),
    [
        ({"on_failure": FAIL}, [FAILED, FAILED, FAILED], ["failure:fail", "", ""]),
        ({"on_failure": FAIL}, [FAILED, FAILED, ENDED, ENDED], ["failure:fail", "", "recovered:fail", ""]),
        ({"on_failure": FAIL}, [FAILED, ENDED, FAILED], ["failure:fail", "recovered:fail", "failure:fail"]),
        ({"on_failure": FAIL},
         [FAILED, CANCELLED, FAILED, CANCELLED, ENDED], ["failure:fail", "", "", "", "recovered:fail"]),
        ({"on_failure": FAIL}, [CANCELLED, ENDED], ["", ""]),
        ({"on_failure": FAIL}, [LIMITED, FAILED], ["failure:fail", ""]),
        ({"on_failure": FAIL}, [EXPIRED], ["failure:fail"]),
        ({"on_failure": FAIL}, [LOST, LOST, ENDED], ["lost:fail", "", "recovered:fail"]),
        ({"on_failure": FAIL, "on_lost": LOSE},
         [LOST, FAILED, LOST, ENDED], ["lost:lose", "failure:fail", "", "recovered:fail recovered:lose"]),
        ({"on_failure": FAIL, "on_lost": FAIL},
         [LOST, FAILED, ENDED], ["lost:fail", "failure:fail", "recovered:fail"]),
        ({"on_failure": FAIL, "on_lost": []}, [LOST, ENDED], ["", ""]),
        ({"on_success": OK}, [FAILED, ENDED, ENDED], ["", "success:ok", "success:ok"]),
        ({"on_failure": {"mail": "fail", "repeat": True}},
         [FAILED, FAILED, ENDED], ["failure:fail", "failure:fail", "recovered:fail"]),
        ({"on_failure": {"ping": "http://x"}},
         [FAILED, FAILED, ENDED], ["failure:http://x", "failure:http://x", "recovered:http://x"]),
        ({"on_failure": {"ping": "http://x"}, "on_success": {"ping": "http://x"}},
         [FAILED, ENDED], ["failure:http://x", "success:http://x"]),
        ({}, [FAILED, ENDED, LOST], ["", "", ""]),
    ],
)  # fmt: skip
def test_what_is_told_of_a_row_of_ends(tmp_path: Path, settings: Any, ends: list[Outcome], expected: list[str]) -> None:
    async def run(journal: Journal) -> None:
        assert await tell(journal, make_hooks(**settings), *ends) == expected

    with_journal(tmp_path, run)


def test_a_failure_before_there_was_a_hook_does_not_silence_the_next(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        assert await tell(journal, make_hooks(), FAILED) == [""]
        assert await tell(journal, make_hooks(on_failure=FAIL), FAILED, FAILED) == ["failure:fail", ""]
        assert (await read_outbox(journal))[0]["body"]["failures"] == 2

    with_journal(tmp_path, run)


def test_names_do_not_share_their_streaks(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        hooks = make_hooks(on_failure=FAIL)
        assert [await end(journal, hooks, name=name) for name in ("a", "b", "a")] == [1, 1, 0]

    with_journal(tmp_path, run)


def test_the_row_of_a_name_counts_every_end(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        await tell(journal, make_hooks(), ENDED, FAILED, FAILED, LIMITED, LOST, CANCELLED)
        await end(journal, make_hooks(), FAILED, job_id="LAST", ended_at=2_000_000_000.0)
        row = await read_name(journal)
        counts = {key: row[key] for key in ("ended", "failed", "stopped", "lost", "skipped", "failures")}
        assert counts == {"ended": 1, "failed": 3, "stopped": 2, "lost": 1, "skipped": 0, "failures": 5}
        assert (row["last_job_id"], row["last_state"], row["last_ended_at"]) == ("LAST", "failed", 2_000_000_000.0)
        assert (row["last_success_at"], row["last_duration_s"]) == (1_000_000_003.5, 2.5)

    with_journal(tmp_path, run)


def test_a_notice_and_its_end_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        from headless.server.hooks.outbox import record_end

        def fail(connection: Any) -> None:
            assert record_end(connection, make_event(FAILED), make_hooks(on_failure=FAIL)) == 1
            raise LookupError

        with pytest.raises(LookupError):
            await journal.write(fail)
        assert await read_outbox(journal) == []
        assert await end(journal, make_hooks(on_failure=FAIL)) == 1  # it is the first, still

    with_journal(tmp_path, run)


def test_starts_are_each_told(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        hooks = make_hooks(on_start=[START, OK])
        assert await journal.write(lambda connection: record_start(connection, make_start(), hooks)) == 2
        assert await journal.write(lambda connection: record_start(connection, make_start(), make_hooks())) == 0
        assert [row["event"] for row in await read_outbox(journal)] == ["start", "start"]

    with_journal(tmp_path, run)


def test_skipped_starts_are_told_once_a_minute_and_all_are_counted(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        hooks, begin = make_hooks(on_skip=SKIP), 1_000_000_000.0
        counts = []
        for at in (0.0, 10.0, 59.9, 60.0, 61.0, -3600.0, -3599.0):  # the clock is set back by an hour
            event = make_start(EventKind.SKIP, begin + at)
            counts.append(await journal.write(lambda connection, event=event: record_skip(connection, event, hooks)))  # type: ignore[misc]
        assert counts == [1, 0, 0, 1, 0, 1, 0]
        assert [row["body"]["skipped"] for row in await read_outbox(journal)] == [1, 3, 2]
        row = await read_name(journal)
        assert (row["skipped"], row["skips_untold"], row["last_state"], row["last_ended_at"]) == (7, 1, "", None)
        assert "skipped 3 times" in (await read_outbox(journal))[1]["body"]["text"]

    with_journal(tmp_path, run)


def test_the_facts_as_json_and_as_variables() -> None:
    event = make_event(Outcome(ending=FAILED.ending, code=3, reason="two\nlines\0\x1b[31m", duration_s=2.5), stdout=b"out\n", stderr=b"bad\n")  # fmt: skip  # noqa: E501
    body = build_body(event, failures=2)
    assert json.loads(json.dumps(body)) == body == {
        "event": "failure",
        "text": "nightly has failed, 2 times in a row on node1: two\ufffdlines\ufffd\ufffd[31m",
        "job_id": event.job_id,
        "name": "nightly",
        "user": "batch",
        "host": "node1",
        "state": "failed",
        "ending": "status",
        "code": 3,
        "reason": "two\ufffdlines\ufffd\ufffd[31m",
        "accepted": "2001-09-09T01:46:40.000Z",
        "started": "2001-09-09T01:46:41.000Z",
        "ended": "2001-09-09T01:46:43.500Z",
        "duration_s": 2.5,
        "failures": 2,
        "skipped": 0,
        "stdout": "out",
        "stderr": "bad",
    }  # fmt: skip
    environment = build_environment(body)
    assert environment["HEADLESS_EVENT"] == "failure" and environment["HEADLESS_JOB_ID"] == event.job_id
    assert environment["HEADLESS_JOB_NAME"] == "nightly" and environment["HEADLESS_CODE"] == "3"
    assert not any("STDOUT" in key or "\0" in value for key, value in environment.items())
    assert "The last lines of stderr:\n\nbad" in build_text(body)
    assert build_environment(build_body(make_start(), failures=0))["HEADLESS_ENDED"] == ""
    assert "stdout" not in build_body(make_event(ENDED, stdout=b"secret"), failures=0)
    assert build_body(make_event(FAILED), failures=1)["text"] == "nightly has failed on node1: exit status 3"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (b"a\nb\n", "a\nb"),
        (b"\x1b[2J\x07\tx", "\ufffd[2J\ufffd\tx"),
        (b"\xff\xfe\n", "\ufffd\ufffd"),
        (b"1\n" * 60, "\n".join(["1"] * 50)),
        (b"x" * 10_000, "x" * 4096),
    ],
)
def test_the_last_lines_are_bounded_and_printable(data: bytes, expected: str) -> None:
    assert make_tail(data) == expected
