"""What ``serve`` was given as options, and what it says of an address that is not to be had."""

import subprocess
from pathlib import Path

from headless.inventory.seal import seal
from headless.inventory.text import write_text
from inventory_identities import make_holder
from inventory_server import CollectorServer, post, read_status, talk, write_report
from inventory_support import make_report
from support import HEADLESS


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HEADLESS, "inventory", *words, "--state", str(folder / "state")],
        cwd=folder, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_keys_of_serve_are_remembered(tmp_path: Path) -> None:
    holder = make_holder(tmp_path, "collector")
    both, file = tmp_path / "both.pem", tmp_path / "sealed"
    both.write_bytes(holder.certificate_file.read_bytes() + holder.key_file.read_bytes())
    with CollectorServer(tmp_path, options=["--key", str(both)]) as server:
        server.start()
        server.stop()
        for host in ("a", "b"):
            file.write_bytes(seal(write_text(make_report(host=host)), [holder.certificate]))
            done = run(tmp_path, "take", str(file))
            assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: stored: new\n", "")
        both.rename(tmp_path / "moved.pem")
        file.write_bytes(seal(write_text(make_report(host="c")), [holder.certificate]))
        done = run(tmp_path, "take", str(file))
        told = done.stderr.splitlines()
        assert done.returncode == 4 and "(--key)" in done.stdout and "'keys', --config" in done.stdout
        assert told[0] == f"headless: {both}, a key of the collector's, cannot be read: give it in the settings"
        assert len(told) == 2
        server.options = []
        server.start()
        server.stop()
        done = run(tmp_path, "reprocess")
        assert (done.returncode, done.stdout) == (4, "3 processed again\n")
        assert "2 of them could not be read again" in done.stderr and "moved" not in done.stderr


def test_what_came_by_the_feed_of_serve_is_still_taken_when_it_does_not_run(tmp_path: Path) -> None:
    with CollectorServer(tmp_path, options=["--allow", "127.0.0.1/32"]) as server:
        port = server.start().port
        assert read_status(talk(port, post("/feed/", write_report("a")))) == 200
        server.wait_fate("a")
        server.stop()
        done = run(tmp_path, "reprocess")
        assert (done.returncode, done.stdout, done.stderr) == (0, "1 processed again\n", "")
        assert run(tmp_path, "review", "list", "--refused").stdout == ""


def test_an_address_in_use_is_told_once(tmp_path: Path) -> None:
    with CollectorServer(tmp_path) as server:
        port = server.start().port
        (tmp_path / "other").mkdir()
        done = run(tmp_path / "other", "serve", "--listen", f"127.0.0.1:{port}")
        assert done.returncode == 1
        assert done.stderr == f"headless: cannot listen on 127.0.0.1:{port}: Address already in use\n"
