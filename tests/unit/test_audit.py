"""The audit log's chain: what keeps it whole, and that every kind of tampering is seen."""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headless.errors import ParameterError
from headless.server import audit
from headless.server.audit import NO_LINE, AuditAction, AuditLog, append_audit, check_audit
from headless.server.audit_check import read_audit, verify_audit
from support import TIME_SCALE, wait_for

WRITER = """
import sys
from headless.server.audit import AuditAction, append_audit
for number in range(int(sys.argv[2])):
    append_audit(sys.argv[1], AuditAction.LOGIN, user=sys.argv[3], number=number)
"""


def write(folder: Path, count: int, **fields: Any) -> Path:
    for number in range(count):
        append_audit(str(folder), AuditAction.LOGIN, user="batch", number=number, **fields)
    return folder / "audit.log"


def problem(path: Path, head: str = "") -> str:
    return verify_audit(str(path), head).problem


def test_lines_are_chained_by_the_hash_of_the_one_before(tmp_path: Path) -> None:
    path = write(tmp_path, 3)
    lines = path.read_bytes().splitlines()
    previous = [json.loads(line)["previous"] for line in lines]
    assert previous == [NO_LINE, *(hashlib.sha256(line).hexdigest() for line in lines[:2])]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    verdict = verify_audit(str(path))
    assert (verdict.problem, verdict.lines, verdict.notes) == ("", 3, ())
    assert verdict.head == hashlib.sha256(lines[2]).hexdigest()
    assert (verdict.first, verdict.last) == (json.loads(lines[0])["time"], json.loads(lines[2])["time"])
    assert verdict.first.endswith("Z")


def swap(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def change(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b"batch", b"other"), *lines[3:]]


def insert(lines: list[bytes]) -> list[bytes]:
    body = {**json.loads(lines[2]), "user": "ghost", "previous": hashlib.sha256(lines[1][:-1]).hexdigest()}
    return [*lines[:2], json.dumps(body).encode() + b"\n", *lines[2:]]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (change, "line 4 does not follow line 3"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3 does not follow line 2"),
        (insert, "line 4 does not follow line 3"),
        (swap, "line 2 does not follow line 1"),
        (lambda lines: lines[1:], "line 1 is not the first one"),
        (lambda lines: [*lines, lines[1]], "line 6 does not follow line 5"),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], "line 4 does not follow line 3"),
        (lambda lines: [*lines[:2], b"garbage\n", *lines[3:]], "line 4 does not follow line 3"),
        (lambda lines: [*lines[:2], b"{}\n", *lines[3:]], "line 4 does not follow line 3"),
        (lambda lines: [*lines[:2], b"[" * 100_000 + b"\n", *lines[3:]], "line 4 does not follow line 3"),
        (lambda lines: [*lines[:2], lines[2].replace(b"{", b"{ "), *lines[3:]], "line 4 does not follow line 3"),
        (lambda lines: [*lines[:2], lines[2][:-1] + b"\r\n", *lines[3:]], "line 4 does not follow line 3"),
    ],
)
def test_whatever_is_done_to_the_lines_is_seen(
    tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]], expected: str
) -> None:
    path = write(tmp_path, 5)
    path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))
    assert problem(path).startswith(expected)


def test_what_is_cut_off_at_the_end_is_seen_with_a_head_that_was_noted(tmp_path: Path) -> None:
    path = write(tmp_path, 5)
    head = verify_audit(str(path)).head
    write(tmp_path, 1)
    assert problem(path, head) == ""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    assert problem(path) == ""  # nothing in the file can tell
    assert problem(path, head).startswith(f"no line has the head {head}")


def test_a_torn_last_line_is_kept_and_told_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    torn = path.read_bytes()
    assert verify_audit(str(path)).notes == ("line 3 is torn: the machine went down, or its disk was full",)
    write(tmp_path, 2)
    assert path.read_bytes().startswith(torn + b"\n")
    verdict = verify_audit(str(path))
    assert (verdict.problem, verdict.lines, len(verdict.notes)) == ("", 5, 1)


def test_several_torn_lines_in_a_row_hide_no_change_of_the_lines_before_or_in_them(tmp_path: Path) -> None:
    path = write(tmp_path, 3)
    path.write_bytes(path.read_bytes() + b'{"previous":"\n{"prev')
    write(tmp_path, 2)
    assert (verify_audit(str(path)).problem, verify_audit(str(path)).lines) == ("", 7)
    lines = path.read_bytes().splitlines(keepends=True)
    for number, expected in ((2, "line 5 was changed, or lines before it were"), (4, "line 6 does not follow line 5")):
        changed = [*lines[:number], lines[number].replace(b"p", b"q", 1), *lines[number + 1 :]]
        path.write_bytes(b"".join(changed))
        assert problem(path) == expected or problem(path).startswith(expected)


def test_a_last_line_that_lacks_nothing_but_its_end_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    path.write_bytes(path.read_bytes()[:-1])
    write(tmp_path, 1)
    assert (problem(path), verify_audit(str(path)).lines, verify_audit(str(path)).notes) == ("", 3, ())


@pytest.mark.parametrize("rest", [b"\0" * 300_000, b"x" * 200_000, b"\n\n\n"])
def test_a_log_that_ends_in_garbage_goes_on(tmp_path: Path, rest: bytes) -> None:
    path = write(tmp_path, 2)
    path.write_bytes(path.read_bytes() + rest)
    write(tmp_path, 1)
    assert problem(path) == ""


def test_a_log_of_nothing_but_garbage_goes_on(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_bytes(b"\0" * 10)
    write(tmp_path, 2)
    assert (problem(tmp_path / "audit.log"), verify_audit(str(tmp_path / "audit.log")).lines) == ("", 3)


def test_an_empty_log_and_none(tmp_path: Path) -> None:
    (tmp_path / "audit.log").touch()
    assert verify_audit(str(tmp_path / "audit.log")).head == NO_LINE
    with pytest.raises(ParameterError, match="cannot be read: No such file"):
        verify_audit(str(tmp_path / "gone"))


async def record(folder: Path, *names: str) -> None:
    log = AuditLog(str(folder))
    for name in names:
        log.record(AuditAction.LOGIN, user=name)
    assert await log.flush()
    await log.close()


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


def test_two_processes_and_a_server_write_at_the_same_time_and_nothing_is_lost(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "100", f"user{number}"]) for number in range(3)
    ]
    log = AuditLog(str(tmp_path))
    while any(writer.poll() is None for writer in writers):
        log.record(AuditAction.START, user="server")
        assert log._wait_settled()
    run(log.close())
    assert [writer.wait(60 * TIME_SCALE) for writer in writers] == [0, 0, 0]
    assert problem(tmp_path / "audit.log") == ""
    entries = [line.entry for line in read_audit(str(tmp_path / "audit.log")) if line.entry]
    for number in range(3):
        own = [entry["number"] for entry in entries if entry["user"] == f"user{number}"]
        assert own == list(range(100))


def test_a_writer_that_is_killed_leaves_a_log_that_others_go_on_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for _ in range(5):
        before = path.stat().st_size if path.exists() else 0
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "1000000", "killed"])
        wait_for(lambda before=before: path.exists() and path.stat().st_size > before + 2000, "some lines")  # type: ignore[misc]
        writer.send_signal(signal.SIGKILL)
        writer.wait(10 * TIME_SCALE)
        run(record(tmp_path, "after"))
        assert problem(path) == ""


def test_the_event_loop_is_never_kept_waiting_by_a_disk_or_a_lock(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    log = AuditLog(str(tmp_path))
    count = 2 * audit.QUEUE_LIMIT + 600  # the thread holds at most as many as wait for it
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        for number in range(count):
            log.record(AuditAction.LOGIN, number=number)  # returns, or this test never ends
        fcntl.flock(holder, fcntl.LOCK_UN)
    assert log._wait_settled()
    log.record(AuditAction.LOGIN, user="after")
    run(log.close())
    entries = [line.entry for line in read_audit(str(path)) if line.entry]
    told = sum(entry.get("missing", 0) for entry in entries)
    assert told > 0 and len(entries) + told == 1 + count + 1
    assert problem(path) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_full_disk_fails_nothing_and_the_next_line_says_how_many_are_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        log = AuditLog(str(tmp_path))
        for number in range(200):
            log.record(AuditAction.END, job="x" * 800, number=number)
            assert log._wait_settled()
        filler = tmp_path / "audit.log"
        assert filler.stat().st_size <= 65536
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1 and "No space left" in errors[0].getMessage()
        subprocess.run(["mount", "-o", "remount,size=1m", str(tmp_path)], check=True)
        log.record(AuditAction.SERVER_STOP)
        assert log._wait_settled()
        run(log.close())
        entries = [line.entry for line in read_audit(str(filler)) if line.entry]
        assert entries[-1]["action"] == "server-stop"
        assert len(entries) - 1 + entries[-1]["missing"] == 200
        verdict = verify_audit(str(filler))
        assert verdict.problem == ""
        assert f"{entries[-1]['missing']} could not be written" in verdict.notes[-1]
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_log_that_cannot_be_written_is_told_once_and_goes_on_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit.log"
    path.mkdir()
    log = AuditLog(str(tmp_path))
    for _ in range(3):
        log.record(AuditAction.LOGIN, user="lost")
        assert log._wait_settled()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    path.rmdir()
    log.record(AuditAction.LOGIN, user="kept")
    run(log.close())
    (line,) = read_audit(str(path))
    assert line.entry is not None and (line.entry["user"], line.entry["missing"]) == ("kept", 3)


def test_a_link_in_the_logs_place_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    (tmp_path / "audit.log").symlink_to(target)
    for function in (check_audit, lambda state: append_audit(state, AuditAction.LOGIN)):
        with pytest.raises(OSError, match="symbolic links"):
            function(str(tmp_path))
    assert target.read_bytes() == b""


def test_hostile_and_huge_values_stay_on_one_line_of_bounded_size(tmp_path: Path) -> None:
    path = write(
        tmp_path, 1, name="two\nlines\x1b[0m\0\udcff", long="x" * 5000, names=["y" * 2000] * 5000, set={1}, none=None
    )
    data = path.read_bytes()
    assert data.count(b"\n") == 1 and len(data) < audit.LINE_LIMIT and data.isascii()
    assert problem(path) == ""
    entry = next(iter(read_audit(str(path)))).entry
    assert entry is not None and entry["name"] == "two\nlines\x1b[0m\0\udcff" and len(entry["long"]) < 1100
    append_audit(str(tmp_path), AuditAction.LOGIN, **{f"field{number}": "z" * 1024 for number in range(100)})
    assert problem(path) == ""
    assert b"too_long" in path.read_bytes()


def test_a_line_that_others_append_while_the_server_runs_is_followed(tmp_path: Path) -> None:
    log = AuditLog(str(tmp_path))
    for _ in range(3):
        log.record(AuditAction.START, user="server")
        assert log._wait_settled()
        write(tmp_path, 1)
    run(log.close())
    assert (problem(tmp_path / "audit.log"), verify_audit(str(tmp_path / "audit.log")).lines) == ("", 6)


def test_a_log_that_is_moved_away_begins_anew(tmp_path: Path) -> None:
    log = AuditLog(str(tmp_path))
    log.record(AuditAction.SERVER_START)
    assert log._wait_settled()
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    log.record(AuditAction.SERVER_STOP)
    run(log.close())
    assert [verify_audit(str(tmp_path / name)).lines for name in ("audit.log", "audit.log.1")] == [1, 1]
    assert problem(tmp_path / "audit.log") == ""


def test_lines_that_come_together_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place where a real part cannot tell: how often the disk was asked."""
    syncs: list[int] = []
    go = threading.Event()

    def count(descriptor: int) -> None:
        syncs.append(descriptor)
        assert go.wait(10 * TIME_SCALE)

    write(tmp_path, 1)
    monkeypatch.setattr(os, "fsync", count)
    log = AuditLog(str(tmp_path))
    log.record(AuditAction.LOGIN)
    wait_for(lambda: len(syncs) == 1, "the first sync")
    for _ in range(500):
        log.record(AuditAction.LOGIN)
    go.set()
    run(log.close())
    assert len(syncs) == 2 and verify_audit(str(tmp_path / "audit.log")).lines == 502
