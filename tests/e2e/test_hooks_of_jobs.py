"""Hooks and metrics of a real server: what is told of real jobs, and that it changes nothing for them."""

import json
import re
import stat
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from launch_support import wait_code
from support import TIME_SCALE, Server, World, wait_for


class Told:
    """A program to be run by hooks, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "told"
        self.program = folder / "tell"
        self.program.write_text(
            "#!/usr/bin/python3 -I\nimport sys\ntext = ' '.join(sys.stdin.read().split('\\n'))\n"
            f"with open({str(self.path)!r}, 'a') as file:\n    file.write(text + '\\n')\n"
        )
        self.program.chmod(stat.S_IRWXU)

    def read(self) -> list[dict[str, Any]]:
        """All that was told, in the order of its coming."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Wait until so much was told."""
        wait_for(lambda: len(self.read()) >= count, f"{count} notices")
        return self.read()


@pytest.fixture
def told(world: World) -> Told:
    return Told(world.home)


def serve(world: World, told: Told, *options: str) -> Server:
    """A server that tells of everything."""
    config = world.home / "server.toml"
    lists = "".join(
        f"[[on_{event}]]\ncommand = ['{told.program}']\n" for event in ("start", "success", "failure", "skip", "lost")
    )
    config.write_text(lists)
    return world.serve("--config", str(config), *options, tls=False)


def launch(world: World, server: Server, code: str, *options: str) -> int:
    return world.run("-s", server.unix, "-t", "-1", "--name", "nightly", "-c", code, *options).returncode


def test_a_failure_is_told_once_then_the_recovery(world: World, told: Told) -> None:
    server = serve(world, told)
    assert launch(world, server, "print('so far'); raise SystemExit(3)") == 4
    events = told.wait(2)
    assert [event["event"] for event in events] == ["start", "failure"]
    assert (events[1]["name"], events[1]["code"], events[1]["stdout"]) == ("nightly", 3, "so far")
    assert events[0]["job_id"] == events[1]["job_id"]
    assert launch(world, server, "raise SystemExit(3)") == 4
    assert launch(world, server, "pass") == 0
    kinds = sorted(event["event"] for event in told.wait(6))
    assert kinds == ["failure", "recovered", "start", "start", "start", "success"]


def test_a_skip_a_limit_and_a_cancel(world: World, told: Told) -> None:
    server = serve(world, told)
    mark = world.home / "mark"
    assert world.run("-s", server.unix, "--name", "nightly", "-c", wait_code(mark)).returncode == 0
    assert launch(world, server, "pass", "--overlap", "skip") == 6
    skipped = next(event for event in told.wait(2) if event["event"] == "skip")
    assert "another run" in skipped["reason"]
    listed = world.run("jobs", "list", "-s", server.unix, "--json", "--state", "live")
    job_id = json.loads(listed.stdout)[0]["job_id"]
    assert world.run("jobs", "cancel", "-s", server.unix, job_id).returncode == 0
    assert launch(world, server, "import time; time.sleep(60)", "--max-runtime", "0.2") == 7
    told.wait(4)
    assert [event["event"] for event in told.read() if event["event"] not in ("start", "skip")] == ["failure"]


def test_a_lost_job_is_told_by_the_next_server_too_late_but_told(world: World, told: Told) -> None:
    server = serve(world, told)
    job = world.start("-s", server.unix, "-t", "-1", "-c", "import os; os.kill(os.getppid(), 9)")
    assert job.wait(30 * TIME_SCALE) == 8
    job.communicate()
    assert "lost" in [event["event"] for event in told.wait(2)]


def test_a_module_s_own_lists_take_the_place_of_the_server_s(world: World, told: Told) -> None:
    modules = world.home / "modules"
    modules.mkdir()
    (modules / "quiet.py").write_text("raise SystemExit(1)\n")
    (modules / "quiet.toml").write_text("on_failure = []\non_start = []\n")
    (modules / "loud.py").write_text("raise SystemExit(1)\n")
    server = serve(world, told, "--modules", str(modules))
    assert world.run("-s", server.unix, "-t", "-1", "-m", "quiet").returncode == 4
    assert world.run("-s", server.unix, "-t", "-1", "-m", "loud").returncode == 4
    assert {event["name"] for event in told.wait(2)} == {"loud"}


def test_a_hook_that_hangs_or_fails_changes_nothing_for_the_job(world: World) -> None:
    config = world.home / "server.toml"
    config.write_text(
        "[[on_failure]]\ncommand = ['/bin/sleep', '600']\ntimeout = 1\nretries = 0\n"
        "[[on_success]]\ncommand = ['/bin/false']\nretries = 0\n"
    )
    server = world.serve("--config", str(config), tls=False)
    began = time.monotonic()
    assert launch(world, server, "raise SystemExit(1)") == 4
    assert launch(world, server, "pass") == 0
    assert time.monotonic() - began < 30  # not a figure: the hook would take 600 s
    server.wait_log("action=hook-failed")
    assert server.stop() == 0


def test_metrics_in_a_file_and_over_http_tell_what_became_of_each_name(world: World) -> None:
    file = world.home / "headless.prom"
    server = world.serve("--metrics-file", str(file), "--metrics-listen", "127.0.0.1:0", tls=False)
    address = server.wait_log(r"metrics address=(http://\S+)")[1]
    assert launch(world, server, "pass") == 0
    assert world.run("-s", server.unix, "-t", "-1", "--name", "bad", "-c", "raise SystemExit(1)").returncode == 4
    wait_for(lambda: file.exists() and 'last_state{name="bad",state="failed"} 1.0' in file.read_text(), "the metrics")
    text = file.read_text()
    assert re.search(r'^headless_job_last_success_timestamp_seconds\{name="nightly"\} 1\.', text, re.MULTILINE)
    assert 'last_success_timestamp_seconds{name="bad"}' not in text
    with urllib.request.urlopen(address, timeout=10 * TIME_SCALE) as answer:
        over_http = answer.read().decode()
    assert 'headless_job_runs_total{name="bad",state="failed"} 1.0' in over_http
    assert re.search(r"^headless_jobs_running 0\.0$", over_http, re.MULTILINE)
