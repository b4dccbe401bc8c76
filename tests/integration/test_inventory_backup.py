"""A collector's state: copied while it runs, put in place again; and what is made anew of the kept reports alone."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.text import write_text
from inventory_server import CollectorServer, post, read_status, talk
from support import HEADLESS, TIME_SCALE, wait_for

MANY = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(100))


class Kept:
    """A collector with a host that has shrunk and was accepted, one that is retired, and a token."""

    def __init__(self, server: CollectorServer) -> None:
        self.server = server
        for host, count in (("shrunk", 100), ("old", 100)):
            self.send(host, count, made=1_000)
        self.send("shrunk", 3, made=500, fate="held")
        [number] = [row["id"] for row in json.loads(self.run("review", "list", "--json"))["rows"]]
        self.run("review", "accept", str(number))
        wait_for(lambda: {fate for fate, _, _ in server.find_fates("shrunk")} == {"stored"}, "what was accepted")
        self.send("shrunk", 4, made=100)
        self.run("retire", "old")
        self.token = self.run("token", "add", "all", "--role", "reader", "--site", "*").strip()

    def run(self, *words: str, state: Path | None = None) -> str:
        """Run one of the keeper's commands."""
        command = [HEADLESS, "inventory", *words, "--state", str(state or self.server.state)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60 * TIME_SCALE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, host: str, count: int, *, made: int, fate: str = "stored") -> None:
        """Report so many packages, so many seconds ago."""
        before = len(self.server.find_fates(host)) if (self.server.state / "envelopes.db").exists() else 0
        time_made = int(os.stat(self.server.folder).st_ctime) - made
        body = write_text(Report(host=host, site="S", packages=MANY[:count], made=time_made))
        assert read_status(talk(self.server.port, post("/feed/", body))) == 200
        assert self.server.wait_fate(host, before + 1)[-1][0] == fate

    def ask(self, port: int, path: str) -> list[dict[str, object]]:
        """Ask a collector, with the token."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20 * TIME_SCALE) as answer:
            rows: list[dict[str, object]] = json.load(answer)["rows"]
        return rows


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with CollectorServer(tmp_path).start() as server:
        yield Kept(server)


def test_a_copy_made_while_it_runs_is_started_with_all_that_was_decided(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert kept.run("backup", str(copy)) == ""
    assert copy.stat().st_mode & 0o777 == 0o700 and (copy / "access.json").stat().st_mode & 0o077 == 0
    again = subprocess.run(
        [HEADLESS, "inventory", "backup", str(copy), "--state", str(kept.server.state)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 2 and "is there already" in again.stderr
    history = kept.ask(kept.server.port, "history?host=shrunk")
    kept.server.kill()
    shutil.rmtree(kept.server.state)
    (tmp_path / "second").mkdir()
    with CollectorServer(tmp_path / "second", state=copy).start() as restored:
        assert [row["host"] for row in kept.ask(restored.port, "hosts")] == ["shrunk"]
        assert [row["host"] for row in kept.ask(restored.port, "hosts?retired=true")] == ["old"]
        assert kept.ask(restored.port, "history?host=shrunk") == history and len(history) == 3
        assert "inventory-empty" not in restored.log


def test_what_waits_in_the_spool_is_in_a_copy(tmp_path: Path) -> None:
    with CollectorServer(tmp_path).start() as server:
        server.stop()
        (server.state / "spool/1-x.batch").write_bytes(b"as it is")
        (server.state / "spool/2-x.new").write_bytes(b"half")
        command = [HEADLESS, "inventory", "backup", str(tmp_path / "copy"), "--state", str(server.state)]
        subprocess.run(command, check=True)
        assert [path.name for path in (tmp_path / "copy/spool").iterdir()] == ["1-x.batch"]
        assert not (tmp_path / "copy.new").exists()


def test_a_lost_inventory_is_an_error_in_the_log_and_made_anew_of_what_is_kept(kept: Kept) -> None:
    server = kept.server
    assert "inventory-empty" not in server.log
    history = kept.ask(server.port, "history?host=shrunk")
    server.stop()
    for path in server.state.glob("inventory.db*"):
        path.unlink()
    server.start()
    [line] = [line for line in server.log.splitlines() if "inventory-empty" in line]
    assert "ERROR" in line and "headless inventory reprocess" in line
    assert "processed again" in kept.run("reprocess")
    wait_for(lambda: len(kept.ask(server.port, "hosts")) == 2, "the hosts")  # that one was retired is forgotten
    wait_for(lambda: {fate for fate, _, _ in server.find_fates("shrunk")} == {"stored"}, "what was accepted")
    assert len(kept.ask(server.port, "history?host=shrunk")) == len(history)
    assert json.loads(kept.run("review", "list", "--json"))["rows"] == []
