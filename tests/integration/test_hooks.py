"""The courier with real programs and a real web server: delivered at least once, with limits, and never in the way."""

import asyncio
import email
import email.policy
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from authority import Authority
from headless.server.hooks import courier as courier_module
from headless.server.hooks.courier import Courier
from headless.server.hooks.delivery import build_mail, build_ping_url
from headless.server.hooks.events import build_body
from headless.server.journal import Journal
from hook_support import ENDED, FAILED, JOB_ID, end, make_event, make_hooks, open_web_server, read_outbox, with_journal
from support import TIME_SCALE, wait_for

KILLED_SERVER = """
import sys, os, signal, uvloop
sys.path.insert(0, sys.argv[1])
from hook_support import *
async def run():
    journal = Journal.open("", sys.argv[2])
    await end(journal, make_hooks(on_failure={"command": ["/bin/sh", "-c", sys.argv[3]]}))
    os.kill(os.getpid(), signal.SIGKILL)
uvloop.run(run())
"""


@asynccontextmanager
async def running(journal: Journal, **options: Any) -> AsyncIterator[Courier]:
    """A courier at work, whose second tries come soon."""
    courier = Courier(journal, pause_s=0.02, **options)
    task = asyncio.get_running_loop().create_task(courier.run())
    try:
        yield courier
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """As ``wait_for``, with the loop going on."""
    async with asyncio.timeout(15 * TIME_SCALE):
        while True:
            value = condition()
            if value if isinstance(value, bool) else await value:
                return
            await asyncio.sleep(0.01)
    raise AssertionError(what)


async def until_empty(journal: Journal) -> None:
    async def is_empty() -> bool:
        return await read_outbox(journal) == []

    await until(is_empty, "an empty outbox")


def shell(script: str, **options: Any) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", script], **options}


def deliver(tmp_path: Path, *actions: dict[str, Any], count: int = 1, **options: Any) -> None:
    """Have failures told by actions, until the outbox is empty."""

    async def run(journal: Journal) -> None:
        for number in range(count):
            await end(journal, make_hooks(on_failure=list(actions)), name=f"nightly{number}", stderr=b"last words\n")
        async with running(journal, **options):
            await until_empty(journal)

    with_journal(tmp_path, run)


def messages(caplog: pytest.LogCaptureFixture, word: str) -> list[str]:
    return [text for record in caplog.records if (text := record.getMessage()).startswith(word)]


def test_a_program_gets_the_facts_and_nothing_else(tmp_path: Path) -> None:
    script = f"env > {tmp_path}/env; cat > {tmp_path}/stdin; pwd > {tmp_path}/pwd; echo $0 > {tmp_path}/argv"
    deliver(tmp_path, {"command": ["/bin/sh", "-c", script, "$(id) `id`; id"]})
    variables = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert variables["HEADLESS_EVENT"] == "failure" and variables["HEADLESS_CODE"] == "3"
    assert {name for name in variables if not name.startswith("HEADLESS_")} <= {"PATH", "LANG", "PWD", "SHLVL", "_"}
    body = json.loads((tmp_path / "stdin").read_text())
    assert (body["event"], body["job_id"], body["stderr"]) == ("failure", JOB_ID, "last words")
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert (tmp_path / "argv").read_text() == "$(id) `id`; id\n"


@pytest.mark.parametrize(
    ("action", "reason", "tries"),
    [
        (shell("echo first; echo why >&2; exit 3", retries=1), "exit status 3: why", 2),
        (shell("kill -9 $$", retries=0), "was killed by signal 9", 1),
        ({"command": ["/nowhere/program"], "retries": 3}, "cannot be started: No such file", 1),
        ({"command": ["/etc/passwd"], "retries": 3}, "cannot be started: Permission denied", 1),
        (shell("printf 'a\\033[2J\\n'; exit 1", retries=0), "exit status 1: a\ufffd[2J", 1),
        ({"webhook": "http://localhost:1/secret", "retries": 2}, "connection attempts failed", 3),
        ({"webhook": "http://nowhere.invalid/secret", "retries": 0}, "", 1),
    ],
)
def test_a_failure_is_tried_again_and_then_dropped_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, action: dict[str, Any], reason: str, tries: int
) -> None:
    caplog.set_level(logging.INFO)
    deliver(tmp_path, action)
    lines = messages(caplog, "hook-")
    assert [line.split()[0] for line in lines] == ["hook-retry"] * (tries - 1) + ["hook-failed"]
    assert reason in lines[-1] and f"attempt={tries}" in lines[-1] and JOB_ID in lines[-1]
    assert "secret" not in caplog.text


def test_a_program_that_hangs_ignores_term_and_has_children_is_ended_in_time(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; (trap '' TERM; echo $$ >> {pids}; sleep 1000) & echo $$ >> {pids}; sleep 1000; sleep 1000"
    deliver(tmp_path, shell(script, timeout=TIME_SCALE, retries=0))  # in which both processes have told who they are
    for pid in pids.read_text().split():
        wait_for(lambda pid=pid: not is_alive(int(pid)), "the end of the group")  # type: ignore[misc]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_megabytes_of_output_are_read_and_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deliver(tmp_path, shell("head -c 50000000 /dev/zero; echo; echo end; exit 1", retries=0, timeout=60))
    assert messages(caplog, "hook-failed")[0].endswith("reason='exit status 1: end'")


def test_a_daemon_that_holds_the_pipe_keeps_nobody_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' & while ! [ -s {tmp_path}/pid ]; do :; done"
    deliver(tmp_path, shell(script, timeout=300))
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert len(messages(caplog, "hook event=failure")) == 1


def test_a_webhook_is_posted_again_until_it_is_taken(tmp_path: Path) -> None:
    with open_web_server(500, 429, 408, 200) as server:
        deliver(tmp_path, {"webhook": f"{server.url}/in?key=1"})
    assert [(method, path) for method, path, _ in server.requests] == [("POST", "/in?key=1")] * 4
    assert json.loads(server.requests[-1][2])["text"] == "nightly0 has failed on node1: exit status 3"
    assert server.headers[0]["Content-Type"] == "application/json"
    assert server.headers[0]["User-Agent"].startswith("headless/")


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (400, 1), (301, 1), (307, 1), (500, 3), (503, 3)])
def test_what_no_second_try_mends_is_not_tried_again_and_no_redirect_is_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, tries: int
) -> None:
    with open_web_server(status) as server:
        deliver(tmp_path, {"webhook": f"{server.url}/in", "retries": 2})
    assert len(server.requests) == tries and {path for _, path, _ in server.requests} == {"/in"}
    assert f"the answer was {status}" in messages(caplog, "hook-failed")[0]


def test_a_server_that_never_answers_has_a_limit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_web_server(0) as server:
        deliver(tmp_path, {"webhook": server.url, "timeout": 0.2, "retries": 0})
    assert "no answer within 0.2 s" in messages(caplog, "hook-failed")[0]


def test_tls_is_verified_against_the_machines_authorities(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with open_web_server(200, certificate=authority.issue_server()) as server:
        deliver(tmp_path, {"webhook": server.url, "retries": 0, "repeat": True})
        assert server.requests == [] and "CERTIFICATE_VERIFY_FAILED" in messages(caplog, "hook-failed")[0]
        monkeypatch.setenv("SSL_CERT_FILE", authority.file)  # what the system's OpenSSL goes by
        deliver(tmp_path, {"webhook": server.url, "retries": 0, "repeat": True})
        assert len(server.requests) == 1


def test_a_check_is_pinged_by_event_with_the_jobs_id_and_the_last_lines(tmp_path: Path) -> None:
    with open_web_server(200) as server:
        check = {"ping": f"{server.url}/uuid"}

        async def run(journal: Journal) -> None:
            hooks = make_hooks(on_failure=check, on_success=check)
            async with running(journal) as courier:
                for outcome in (FAILED, FAILED, ENDED):
                    await end(journal, hooks, outcome, stderr=b"last words\n" * 5000)
                    courier.wake()
                    await until_empty(journal)

        with_journal(tmp_path, run)
    rid = "0199a9ef-9b5d-d8e8-5bdd-c89ab4cf468a"
    paths = [path.partition("?")[0] for _, path, _ in server.requests]
    assert paths == ["/uuid/fail", "/uuid/fail", "/uuid"]
    assert len({path.partition("rid=")[2] for _, path, _ in server.requests}) == 1 and len(rid) == 36
    assert all(b"last words" in body and len(body) <= 10_000 for _, _, body in server.requests[:2])


@pytest.mark.parametrize(
    ("url", "event", "job_id", "expected"),
    [
        ("https://hc/u", "start", "0" * 25 + "1", "https://hc/u/start?rid=00000000-0000-0000-0000-000000000001"),
        ("https://hc/u/", "failure", "7" + "Z" * 25, "https://hc/u/fail?rid=ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("https://hc/u?create=1", "lost", "8" + "Z" * 25, "https://hc/u/fail?create=1"),  # more than 128 bits
        ("https://hc/u", "success", "short", "https://hc/u"),
        ("https://hc/u", "recovered", "", "https://hc/u"),
        ("https://hc/u", "skip", "U" * 26, "https://hc/u/log"),
        ("https://hc", "success", "", "https://hc/"),
    ],
)
def test_where_a_check_is_pinged(url: str, event: str, job_id: str, expected: str) -> None:
    assert build_ping_url(url, event, job_id) == expected


def write_sendmail(tmp_path: Path, body: str) -> str:
    """There is no mail on the test's machine: a small program in sendmail's place keeps what it gets."""
    program = tmp_path / "sendmail"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


def test_a_mail_goes_through_sendmail(tmp_path: Path) -> None:
    program = write_sendmail(tmp_path, f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/mail')
    deliver(tmp_path, {"mail": "ops@example.org"}, sendmail=program)
    assert (tmp_path / "arguments").read_text() == "-t -i\n"
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["Subject"]) == ("ops@example.org", "headless: nightly0 has failed on node1: exit status 3")
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "last words" in text and JOB_ID in text and "2001-09-09T01:46:43.500Z" in text


def test_no_fact_of_a_job_becomes_a_header_or_ends_the_mail() -> None:
    event = make_event(FAILED, name="x\nBcc: all@example.org", stderr="ü\n.\nFrom me\n".encode() + b"y" * 4000)
    mail = email.message_from_bytes(
        build_mail("ops@example.org", build_body(event, failures=1)), policy=email.policy.default
    )
    assert set(mail.keys()) == {
        "To", "Subject", "Auto-Submitted", "X-Headless-Job", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    }  # fmt: skip
    assert "\n.\nFrom me\n" in mail.get_content() and "ü" in mail.get_content()
    assert max(map(len, bytes(mail).splitlines())) <= 998  # RFC 5322, section 2.1.1


def test_a_sendmail_that_fails_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = write_sendmail(tmp_path, "echo 'queue is full' >&2; exit 75")
    deliver(tmp_path, {"mail": "ops@example.org", "retries": 1}, sendmail=program)
    assert len(messages(caplog, "hook-retry")) == 1
    assert "exit status 75: queue is full" in messages(caplog, "hook-failed")[0]


def test_what_a_killed_server_had_to_tell_the_next_one_tells(tmp_path: Path) -> None:
    folder = str(Path(__file__).parents[1])
    script = f"echo told >> {tmp_path}/told"
    killed = subprocess.run([sys.executable, "-c", KILLED_SERVER, folder, str(tmp_path), script], check=False)
    assert killed.returncode == -9 and not (tmp_path / "told").exists()

    async def run(journal: Journal) -> None:
        async with running(journal):
            await until_empty(journal)

    with_journal(tmp_path, run)
    assert (tmp_path / "told").read_text() == "told\n"


def test_a_server_that_ends_while_a_hook_hangs_kills_it_and_leaves_the_notice(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        await end(journal, make_hooks(on_failure=shell(f"echo $$ > {tmp_path}/pid; exec sleep 1000", timeout=300)))
        async with running(journal) as courier:
            await until(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()), "its start")
            assert not await courier.drain(0.1)
        assert not is_alive(int((tmp_path / "pid").read_text()))
        (row,) = await read_outbox(journal)
        assert row["attempts"] == 0

    with_journal(tmp_path, run)


def test_draining_waits_for_what_is_due_and_not_for_what_is_to_be_tried_later(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        await end(journal, make_hooks(on_failure=[shell(f"sleep 0.3; echo x > {tmp_path}/done"), shell("exit 1")]))
        courier = Courier(journal, pause_s=1000.0)
        task = asyncio.get_running_loop().create_task(courier.run())
        assert await courier.drain(15 * TIME_SCALE)
        assert (tmp_path / "done").exists()
        (row,) = await read_outbox(journal)
        assert (row["attempts"], row["action"]["target"][-1]) == (1, "exit 1")
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with_journal(tmp_path, run)


def test_at_most_eight_run_at_a_time_and_all_are_told_once(tmp_path: Path) -> None:
    script = f"echo + >> {tmp_path}/marks; sleep 0.05; echo - >> {tmp_path}/marks"
    deliver(tmp_path, shell(script), count=30)
    now, most = 0, 0
    for mark in (tmp_path / "marks").read_text().split():
        now += 1 if mark == "+" else -1
        most = max(most, now)
    assert (tmp_path / "marks").read_text().count("+") == 30
    assert 1 < most <= courier_module.AT_A_TIME


def test_a_hook_that_hangs_does_not_keep_the_others(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        await end(journal, make_hooks(on_failure=[shell("sleep 1000", timeout=300), shell(f"echo x > {tmp_path}/x")]))
        async with running(journal):
            await until(lambda: (tmp_path / "x").exists(), "the other hook")

    with_journal(tmp_path, run)


def test_a_clock_that_was_set_back_delays_nothing(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        # Written a day ahead: by a clock that has been set back since.
        import time

        await end(journal, make_hooks(on_failure=shell("true")), ended_at=time.time() + 86400)
        async with running(journal):
            await until_empty(journal)

    with_journal(tmp_path, run)


def test_the_outbox_has_a_limit_and_the_oldest_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "OUTBOX_LIMIT", 3)
    deliver(tmp_path, shell(f"echo $HEADLESS_JOB_NAME >> {tmp_path}/told"), count=5)
    assert sorted((tmp_path / "told").read_text().split()) == ["nightly2", "nightly3", "nightly4"]
    assert "dropped=2" in messages(caplog, "hook-failed")[0]


def test_a_notice_of_another_version_is_dropped_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from headless.server.schema import notices

    async def run(journal: Journal) -> None:
        await end(journal, make_hooks(on_failure=shell("true")))
        await journal.write(lambda connection: connection.execute(notices.update().values(action='{"kind":"pigeon"}')))
        async with running(journal):
            await until_empty(journal)

    with_journal(tmp_path, run)
    assert "of another version" in messages(caplog, "hook-failed")[0]


def test_while_the_journal_is_away_nothing_is_told_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "JOURNAL_PAUSE_S", 0.05)

    async def run(journal: Journal) -> None:
        import sqlite3

        await end(journal, make_hooks(on_failure=shell(f"echo x >> {tmp_path}/told; sleep 0.5")))
        monkeypatch.setattr("headless.database.backends.LOCK_LIMIT_S", 0.1)
        async with running(journal):
            await until(lambda: (tmp_path / "told").exists(), "the hook")
            other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
            other.execute("begin immediate")  # as another program, or a full disk: nothing can be written
            await until(lambda: len(messages(caplog, "journal-write-failed")) > 0, "a failed write")
            other.rollback()
            other.close()
            await until_empty(journal)

    with_journal(tmp_path, run)
    assert (tmp_path / "told").read_text() == "x\n"
    assert len(messages(caplog, "hooks-waiting")) == 1
