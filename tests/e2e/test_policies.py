"""What the server, a module and a user say to a job: limits, and what its launcher leaves out."""

import json
import os
import re
from pathlib import Path

import pytest

from support import Server, World

SHOW = """
import json, os, resource, sys
names = {"memory": resource.RLIMIT_AS, "cpu_time": resource.RLIMIT_CPU, "open_files": resource.RLIMIT_NOFILE}
limits = {name: resource.getrlimit(number)[0] for name, number in names.items()}
from headless import job
job.result({**limits, "nice": os.nice(0)})
"""
LONG = "import time\ntime.sleep(60)\n"


@pytest.fixture(scope="module")
def server(home: World) -> Server:
    folder = home.home / "modules"
    folder.mkdir()
    for name in ("plain", "strict", "alone", "broken", "unknown", "open", "wrong"):
        (folder / f"{name}.py").write_text(SHOW)
    (folder / "alone.py").write_text(LONG)
    (folder / "strict.toml").write_text("[limits]\nmemory = '1G'\ncpu_time = 100\nopen_files = 64\nnice = 5\n")
    (folder / "alone.toml").write_text("overlap = 'skip'\n[limits]\nmax_runtime = 20\n")
    (folder / "broken.toml").write_text("limits = [")
    (folder / "unknown.toml").write_text("maximum = 5\n")
    (folder / "wrong.toml").write_text("[limits]\nmemory = 'much'\n")
    (folder / "open.toml").write_text("")
    (folder / "open.toml").chmod(0o666)
    server = home.serve("--modules", str(folder), "--limits", "memory=4G", "--limits", "cpu_time=500")
    server.add_user("batch", "--allow-module", "*")
    server.add_user("tight", "--allow-module", "*")
    server.user("limit", "tight", "cpu_time=50", "open_files=100", "max_running=1")
    return server


def read_limits(server: Server, user: str, module: str) -> dict[str, int]:
    secret = server.world.home / f"{user}.secret"
    login = ["-s", server.service, "-u", user, "-p", str(secret)]
    done = server.world.run(*login, "-m", module, "-t", "-1", "--result", "-")
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def start(home: World, *options: str) -> str:
    """Start a job, wait for nothing; return its id."""
    done = home.run("-v", *options)
    found = re.search(r"job (\w{26}) accepted", done.stderr.decode())
    assert found, done.stderr
    return found[1]


def test_the_server_s_limits_hold_for_all_jobs(server: Server) -> None:
    found = read_limits(server, "batch", "plain")
    assert (found["memory"], found["cpu_time"], found["nice"]) == (4 << 30, 500, os.nice(0))


def test_of_several_limits_the_strictest_holds(server: Server) -> None:
    assert read_limits(server, "batch", "strict") == {
        "memory": 1 << 30, "cpu_time": 100, "open_files": 64, "nice": os.nice(0) + 5,
    }  # fmt: skip
    assert read_limits(server, "tight", "strict")["cpu_time"] == 50
    assert read_limits(server, "tight", "plain")["open_files"] == 100


def test_a_module_may_say_how_it_overlaps_and_a_launcher_may_say_it_better(server: Server, home: World) -> None:
    job_id = start(home, "-s", server.unix, "-m", "alone")
    again = home.run("-s", server.unix, "-m", "alone")
    assert (again.returncode, again.stdout) == (6, b"")
    assert job_id in again.stderr.decode()
    replaced = home.run("-s", server.unix, "-m", "alone", "--overlap", "replace", "--max-runtime", "0.1", "-t", "-1")
    assert replaced.returncode == 7
    assert b"its run-time limit of 0.1 s" in replaced.stderr
    assert home.run("jobs", "cancel", "-s", server.unix, job_id).returncode == 0


@pytest.mark.parametrize(
    ("module", "code", "line"),
    [
        ("broken", 2, "module settings {}/broken.toml are of no use"),
        ("unknown", 2, "{}/unknown.toml: unknown setting 'maximum'"),
        ("wrong", 2, "{}/wrong.toml: limit 'memory' is a number of bytes"),
        ("open", 5, "{0}/open.toml is refused: everybody may write it: chmod o-w {0}/open.toml"),
    ],
)
def test_module_settings_that_are_of_no_use(server: Server, home: World, module: str, code: int, line: str) -> None:
    for options in ([], ["--check"]):  # what would be refused at 3 a.m. is told by --check
        done = home.run("-s", server.unix, "-m", module, "-t", "-1", *options)
        assert done.returncode == code
        assert line.format(home.home / "modules") in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


def test_a_user_s_limits_are_shown_and_taken_away(server: Server) -> None:
    assert b"cpu_time=50 max_running=1 open_files=100" in server.user("list").stdout
    server.user("limit", "tight", "open_files=")
    assert b"open_files" not in server.user("list").stdout
    server.user("limit", "tight", "open_files=100")


@pytest.mark.parametrize("text", ["speed=9", "memory=-1", "memory=lots", "nice=20", "nice=0", "memory", "cpu_time=1G"])
def test_limits_that_are_none(server: Server, home: World, text: str) -> None:
    before = server.user("list").stdout
    done = home.run("user", "limit", "tight", text, "--state", str(server.state))
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1), done.stderr
    assert server.user("list").stdout == before


def test_a_server_with_a_limit_that_is_none_does_not_start(world: World, tmp_path: Path) -> None:
    done = world.run("serve", "--listen", f"unix:{world.home}/s", "--state", str(tmp_path / "s"), "--limits", "a=b")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"setting 'limits': unknown limit 'a'" in done.stderr


def test_one_user_at_a_time_and_the_others_are_not_held_up(server: Server, home: World) -> None:
    secret = home.home / "tight.secret"
    login = ["-s", server.service, "-u", "tight", "-p", str(secret)]
    held = [start(home, *login, "-m", "alone", "--overlap", "allow") for _ in range(2)]
    listed = home.run("jobs", "list", *login, "--json", "--state", "live")
    states = {job["job_id"]: job["state"] for job in json.loads(listed.stdout)}
    assert [states[job_id] for job_id in held] == ["running", "waiting"]
    assert read_limits(server, "batch", "plain")
    late = home.run(*login, "-m", "plain", "-t", "0.5")
    assert (late.returncode, b"is still waiting or running after 0.5 s" in late.stderr) == (3, True)
    for job_id in held:
        assert home.run("jobs", "cancel", *login, job_id).returncode == 0
