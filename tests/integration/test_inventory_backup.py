"""A collector's state: copied while it runs, put in place again; and what is made anew of the kept reports alone."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory_keeping import Kept
from inventory_server import CollectorServer
from support import HEADLESS, wait_for


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
