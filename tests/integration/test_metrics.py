"""The metrics as their readers get them: parsed by the Prometheus library's own parser."""

import asyncio
import http.client
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import headless
from headless.errors import Unavailable
from headless.metrics import fresh, output
from headless.metrics.output import CONTENT_TYPE, MetricsFile, serve_metrics
from headless.server import metrics as metrics_module
from headless.server.hooks.events import EventKind
from headless.server.hooks.outbox import record_skip
from headless.server.journal import Journal
from headless.server.metrics import Figures, Metrics
from headless.server.metrics_text import build_metrics
from headless.server.schema import names
from headless.transport.address import TcpAddress
from hook_support import ENDED, FAILED, LOST, end, make_event, make_hooks, make_start, with_journal
from support import TIME_SCALE

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: bytes) -> Samples:
    return {
        (sample.name.removeprefix("headless_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def fill(journal: Journal) -> None:
    """One name that ended well and then failed, one that was lost, one that was skipped and never run."""
    hooks = make_hooks()
    await end(journal, hooks, ENDED, name="nightly", ended_at=1000.0)
    await end(journal, hooks, FAILED, name="nightly", ended_at=2000.0)
    await end(journal, hooks, LOST, name='od"d\\\n', ended_at=3000.0)
    skip = make_start(EventKind.SKIP)
    await journal.write(lambda connection: record_skip(connection, skip, hooks))


async def renamed_skip(journal: Journal) -> None:
    row = names.update().where(names.c.name == "nightly").values(name="weekly")
    await journal.write(lambda connection: connection.execute(row))


def test_what_is_told_of_each_name_and_of_the_server(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        hooks = make_hooks()
        skip = make_start(EventKind.SKIP)
        await journal.write(lambda connection: record_skip(connection, skip, hooks))
        await renamed_skip(journal)  # "weekly" was skipped, and has never run
        await fill(journal)
        figures = Figures(
            running=lambda: 2, waiting=lambda: 3, sessions=lambda: 4, refused=lambda: 5, hooks_failed=lambda: 6
        )
        samples = parse(await Metrics(journal, figures).render())
        nightly, odd, weekly = ((("name", name),) for name in ("nightly", 'od"d\\\n', "weekly"))
        for name, labels, value in (
            ("job_last_success_timestamp_seconds", nightly, 1000.0),
            ("job_last_end_timestamp_seconds", nightly, 2000.0),
            ("job_last_duration_seconds", nightly, 2.5),
            ("job_consecutive_failures", nightly, 1),
            ("job_skipped_total", nightly, 1),
            ("job_last_state", (*nightly, ("state", "failed")), 1),
            ("job_runs_total", (*nightly, ("state", "ended")), 1),
            ("job_runs_total", (*nightly, ("state", "failed")), 1),
            ("job_runs_total", (*nightly, ("state", "lost")), 0),
            ("job_last_state", (*odd, ("state", "lost")), 1),
            ("job_last_end_timestamp_seconds", odd, 3000.0),
            ("job_skipped_total", weekly, 1),
            ("job_runs_total", (*weekly, ("state", "failed")), 0),
            ("jobs_running", (), 2),
            ("jobs_waiting", (), 3),
            ("sessions", (), 4),
            ("logins_refused_total", (), 5),
            ("hooks_failed_total", (), 6),
            ("names_left_out", (), 0),
            ("build_info", (("version", headless.__version__),), 1),
        ):
            assert samples[name, labels] == value, (name, labels)
        assert abs(samples["start_time_seconds", ()] - time.time()) < 60
        # What never ran has not failed, what never succeeded has no time of success.
        last = {(name, labels) for name, labels in samples if "_last_" in name}
        assert not [labels for _, labels in last if ("name", "weekly") in labels]
        assert ("job_last_success_timestamp_seconds", odd) not in last

    with_journal(tmp_path, run)


def test_a_server_that_has_run_nothing_has_metrics_too(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        samples = parse(await Metrics(journal, Figures()).render())
        assert samples["jobs_running", ()] == 0
        assert not [name for name, _ in samples if name.startswith("job_")]

    with_journal(tmp_path, run)


def test_many_names_are_shown_up_to_a_limit_the_latest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "NAMES_LIMIT", 3)

    async def run(journal: Journal) -> None:
        for number in range(5):
            await end(journal, make_hooks(), name=f"job{number}", ended_at=float(number))
        samples = parse(await Metrics(journal, Figures()).render())
        assert {labels[0][1] for name, labels in samples if name == "job_runs_total"} == {"job2", "job3", "job4"}
        assert samples["names_left_out", ()] == 2

    with_journal(tmp_path, run)


def test_ten_thousand_names_leave_the_event_loop_free(tmp_path: Path) -> None:
    async def run(journal: Journal) -> None:
        row = make_event(FAILED)
        counts = dict.fromkeys(("failures", "ended", "failed", "stopped", "lost", "skipped", "skips_untold"), 1)
        columns = {**counts, "last_job_id": row.job_id, "last_state": "failed", "told": "", "last_ended_at": 1.0}
        rows = [{**columns, "name": f"job{number}"} for number in range(10_000)]
        await journal.write(lambda connection: connection.execute(names.insert(), rows))
        task = asyncio.get_running_loop().create_task(Metrics(journal, Figures()).render())
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 5  # in the loop's own thread it would be one or two
        assert len([1 for name, _ in parse(task.result()) if name == "job_last_state"]) == 10_000

    with_journal(tmp_path, run)


def test_a_text_serves_all_who_ask_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []

    def count(*arguments: Any) -> bytes:
        built.append(1)
        return build_metrics(*arguments)

    monkeypatch.setattr("headless.server.metrics_text.build_metrics", count)
    monkeypatch.setattr(fresh, "FRESH_S", 1000.0)

    async def run(journal: Journal) -> None:
        metrics = Metrics(journal, Figures())
        texts = await asyncio.gather(*(metrics.render() for _ in range(20)))
        assert (len(set(texts)), len(built)) == (1, 1)
        monkeypatch.setattr(fresh, "FRESH_S", 0.0)
        metrics._fresh_until = 0.0
        await metrics.render()
        assert len(built) == 2

    with_journal(tmp_path, run)


async def until(condition: Any, what: str) -> None:
    async with asyncio.timeout(15 * TIME_SCALE):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


def test_the_file_is_whole_readable_by_all_and_follows_each_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "INTERVAL_S", 1000.0)
    path = tmp_path / "headless.prom"
    leftover = tmp_path / "headless.prom.123.0a1b2c3d.tmp"
    leftover.touch()

    async def run(journal: Journal) -> None:
        file = MetricsFile(Metrics(journal, Figures()), str(path))
        task = asyncio.get_running_loop().create_task(file.run())
        await until(path.exists, "the file")
        assert stat.S_IMODE(path.stat().st_mode) == 0o644 and not leftover.exists()
        first = path.open("rb")  # held, for the number of a file that has gone is given to the next
        await end(journal, make_hooks())
        file.wake()
        await until(lambda: b'runs_total{name="nightly",state="failed"} 1.0' in path.read_bytes(), "the end")
        # Another file is in its place, never one that is half written.
        assert path.stat().st_ino != os.fstat(first.fileno()).st_ino
        first.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert sorted(item.name for item in tmp_path.glob("headless.prom*")) == ["headless.prom"]

    umask = os.umask(0o077)  # as an administrator may have it: node_exporter is to read it all the same
    try:
        with_journal(tmp_path, run)
    finally:
        os.umask(umask)


def test_a_file_that_cannot_be_written_is_told_once_for_each_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(journal: Journal) -> None:
        file = MetricsFile(Metrics(journal, Figures()), str(tmp_path / "sub" / "headless.prom"))
        for _ in range(3):
            await file.write()
        (tmp_path / "sub").write_text("a file")
        for _ in range(2):
            await file.write()
        (tmp_path / "sub").unlink()
        (tmp_path / "sub").mkdir()
        await file.write()
        assert (tmp_path / "sub" / "headless.prom").exists()
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        reasons = [error.partition("reason=")[2] for error in errors]
        assert reasons == ["'No such file or directory'", "'Not a directory'"]

    with_journal(tmp_path, run)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 10 * TIME_SCALE) as channel:
        yield channel


def ask(port: int, request: bytes) -> bytes:
    """Send raw bytes, and read to the end."""
    with connected(port) as channel:
        channel.sendall(request)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := channel.recv(65536):
                answer += piece
    return answer


def get(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * TIME_SCALE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def with_listener(tmp_path: Path, function: Any, metrics: Any = None) -> None:
    """Call ``function(port)`` in a thread, beside a listener."""

    async def run(journal: Journal) -> None:
        await fill(journal)
        server, address = await serve_metrics(metrics or Metrics(journal, Figures()), TcpAddress("127.0.0.1", 0))
        try:
            await asyncio.to_thread(function, int(address.rpartition(":")[2]))
        finally:
            server.close()
            await server.wait_closed()

    with_journal(tmp_path, run)


def test_metrics_are_served_over_http_and_nothing_else_is(tmp_path: Path) -> None:
    def look(port: int) -> None:
        status, kind, text = get(port, "/metrics")
        assert (status, kind) == (200, CONTENT_TYPE)
        assert parse(text)["job_consecutive_failures", (("name", "nightly"),)] == 1
        assert get(port, "/metrics?name=x")[0] == 200
        assert ask(port, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        for path in ("/", "/metrics/", "/metrics/../etc/passwd", "/metricsx"):
            assert get(port, path)[0] == 404
        # No websocket is opened here, however well it is asked for.
        upgrade = (
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert ask(port, upgrade).startswith(b"HTTP/1.1 404 ")
        assert ask(port, upgrade.replace(b"GET /", b"GET /metrics")).startswith(b"HTTP/1.1 200 ")

    with_listener(tmp_path, look)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(100, 132)) + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_no_such_request_gets_no_metrics_and_harms_nobody(tmp_path: Path, request_bytes: bytes) -> None:
    def look(port: int) -> None:
        assert b"headless_" not in ask(port, request_bytes)
        assert get(port, "/metrics")[0] == 200

    with_listener(tmp_path, look)


def test_a_request_that_never_comes_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "REQUEST_LIMIT_S", 0.2)

    def look(port: int) -> None:
        with connected(port) as channel:
            channel.sendall(b"GET /metrics HTTP/1.1\r\n")
            with suppress(ConnectionResetError):
                assert b"headless_" not in channel.recv(65536)  # returns: the server has closed

    with_listener(tmp_path, look)


def test_a_journal_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    class Away:
        async def render(self) -> bytes:
            raise Unavailable("the server cannot read its journal: gone")

    def look(port: int) -> None:
        status, _, text = get(port, "/metrics")
        assert status == 503 and b"cannot read its journal" in text

    with_listener(tmp_path, look, Away())


def test_a_bug_in_the_metrics_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def render(self) -> bytes:
            raise KeyError("secret")

    def look(port: int) -> None:
        assert get(port, "/metrics")[::2] == (500, b"a bug in headless: the log has more\n")

    with_listener(tmp_path, look, Broken())
    assert "bug in the metrics" in caplog.text and "KeyError" in caplog.text
