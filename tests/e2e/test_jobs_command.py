"""``headless jobs``, installed, against a real server with jobs that really ran: the whole way there and back."""

import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from launch_support import wait_code
from support import TIME_SCALE, Server, World, open_world, wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the users ``batch`` and ``other``, who may run code, and ``modest``, who may no more."""
    with open_world() as world:
        server = world.serve()
        for name in ("batch", "other"):
            server.add_user(name, "--allow-code", "--allow-script", "--allow-module", "*")
        yield server


class Session:
    """One user's session options, and what is done with them."""

    def __init__(self, server: Server, user: str) -> None:
        self.world = server.world
        self.options = ["-s", server.service, "-u", user, "-p", f"{server.world.home}/{user}.secret"]

    def launch(self, *words: str) -> str:
        """Start a job; return its id."""
        done = self.world.run(*self.options, "-v", *words)
        found = re.search(r"job ([0-9A-Z]{26}) accepted", done.stderr.decode())
        assert found, done.stderr
        return found[1]

    def jobs(self, *words: str) -> tuple[int, str, str]:
        """Run ``headless jobs``; return its exit code and both outputs."""
        done = self.world.run("jobs", *words, *self.options)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def show(self, job_id: str) -> dict[str, Any]:
        """What the server knows of a job."""
        code, text, errors = self.jobs("show", job_id, "--json")
        assert (code, errors) == (0, "")
        body: dict[str, Any] = json.loads(text)
        return body

    def wait_state(self, job_id: str, state: str) -> None:
        """Wait until a job is in a state."""
        wait_for(lambda: self.show(job_id)["state"] == state, f"job {job_id} to be {state}")


@pytest.fixture
def batch(server: Server) -> Session:
    """The user whose jobs these are."""
    return Session(server, "batch")


@pytest.fixture
def other(server: Server) -> Session:
    """Another user."""
    return Session(server, "other")


def test_a_job_that_ended_well_is_told_of(batch: Session) -> None:
    before = time.time()
    job_id = batch.launch("-c", "import sys; print('out'); print('err', file=sys.stderr)", "-t", "60", "--", "a b")
    code, text, errors = batch.jobs("list", "--name", "code", "--since", "1h")
    assert (code, errors) == (0, "")
    row = next(line for line in text.splitlines() if line.startswith(job_id)).split(maxsplit=6)
    assert row[1:4] == ["ended", "code", "batch"]
    assert before - 2 <= datetime.fromisoformat(row[4]).timestamp() <= time.time() + 2
    assert re.fullmatch(r"\d+\.\d{3}s", row[5])
    assert row[6] == "exit status 0"
    body = batch.show(job_id)
    assert (body["user"], body["kind"], body["arguments"], body["stdin"]) == ("batch", "code", ["a b"], False)
    assert (body["state"], body["ending"], body["code"]) == ("ended", "status", 0)
    assert body["output"] == {"stdout": 4, "stderr": 4}
    assert body["accepted_at"] <= body["started_at"] <= body["ended_at"]
    _, text, _ = batch.jobs("show", job_id)
    assert "\narguments  'a b'\n" in text
    assert batch.jobs("logs", job_id) == (0, "out\n", "")
    assert batch.jobs("logs", job_id, "--offset", "1") == (0, "ut\n", "")
    assert batch.jobs("logs", job_id, "--stderr") == (0, "err\n", "")
    assert batch.jobs("logs", job_id, "--both", "-f") == (0, "out\n", "err\n")
    assert batch.jobs("attach", job_id) == (0, "out\n", "")
    assert batch.jobs("cancel", job_id) == (0, "", "")


def test_a_failed_job_is_found_by_its_state_and_shows_why(batch: Session) -> None:
    job_id = batch.launch("-c", "raise ValueError('in vain')", "--name", "failing", "-t", "60")
    code, text, _ = batch.jobs("list", "--state", "failed", "--json")
    assert code == 0
    assert job_id in [job["job_id"] for job in json.loads(text)]
    _, text, _ = batch.jobs("list", "--state", "failed", "--name", "failing")
    assert text.splitlines()[1].endswith("ValueError: in vain")
    _, text, _ = batch.jobs("show", job_id)
    assert text.splitlines()[-1] == "ValueError: in vain"
    code, text, errors = batch.jobs("attach", job_id)
    assert (code, text) == (4, "")
    assert errors.startswith(f"headless: job {job_id} failed: ValueError: in vain\n")
    assert batch.jobs("attach", job_id, "--exit-code", "job", "-q") == (1, "", "")
    assert batch.jobs("list", "--state", "failed", "--name", "no-such") == (0, "", "")


def test_a_running_job_is_followed_attached_to_and_cancelled(batch: Session, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    job_id = batch.launch("-c", f"print('begun', flush=True)\n{wait_code(mark)}\nprint('done')")
    batch.wait_state(job_id, "running")
    wait_for(lambda: batch.show(job_id)["output"]["stdout"] == 6, "the first line")
    assert batch.jobs("logs", job_id) == (0, "begun\n", "")
    assert batch.jobs("attach", job_id, "-t", "0.2")[0] == 3
    followers = [
        batch.world.start("jobs", *words, job_id, *batch.options)
        for words in (("logs", "-f", "-t60"), ("attach", "-t60"))
    ]
    for follower in followers:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"begun\n"
    left = batch.world.start("jobs", "attach", job_id, "-t60", *batch.options)
    assert left.stdout is not None
    assert left.stdout.readline() == b"begun\n"
    left.send_signal(signal.SIGINT)
    assert left.wait(20 * TIME_SCALE) == -signal.SIGINT
    left.communicate()
    assert batch.show(job_id)["state"] == "running"
    mark.touch()
    for follower in followers:
        output, errors = follower.communicate(timeout=20 * TIME_SCALE)
        assert (follower.returncode, output, errors) == (0, b"done\n", b"")


def test_cancel_returns_when_the_job_is_over(batch: Session) -> None:
    job_id = batch.launch("-c", "import time; time.sleep(60)")
    batch.wait_state(job_id, "running")
    code, text, errors = batch.jobs("cancel", job_id[-8:].lower(), "-v")
    assert (code, text) == (0, "")
    assert f"job {job_id} is over: stopped: " in errors
    assert batch.show(job_id)["state"] == "stopped"
    assert batch.jobs("attach", job_id)[0] == 7
    code, _, errors = batch.jobs("cancel", job_id, "-v")
    assert code == 0
    assert errors.endswith(f"job {job_id} was over already: stopped\n")


def test_the_end_of_a_job_that_waits_is_no_end_that_it_had_before(batch: Session, tmp_path: Path) -> None:
    first = batch.launch("-c", wait_code(tmp_path / "go"), "--name", "queue")
    second = batch.launch("-c", "pass", "--name", "queue", "--overlap", "wait")
    code, _, errors = batch.jobs("cancel", second, "-v")
    assert code == 0
    assert f"job {second} is over: stopped: " in errors
    (tmp_path / "go").touch()
    batch.wait_state(first, "ended")


def test_rerun_is_a_new_job_of_the_same_kind(batch: Session) -> None:
    old = batch.launch("-c", "import sys; print('ran', sys.argv[1:])", "--name", "twice", "-t", "60", "--", "x")
    code, text, errors = batch.jobs("rerun", old)
    assert (code, errors) == (0, "")
    new = text.strip()
    assert new != old
    assert batch.jobs("attach", new) == (0, "ran ['x']\n", "")
    assert batch.jobs("rerun", old, "-t", "60", "-o", "-") == (0, "ran ['x']\n", "")
    _, text, _ = batch.jobs("list", "--name", "twice", "--json")
    jobs = json.loads(text)
    assert len(jobs) == 3
    assert [job["job_id"] for job in jobs[1:]] == [new, old]


@pytest.mark.parametrize("command", ["show", "logs", "attach", "cancel", "rerun"])
def test_unknown_and_foreign_jobs_are_refused_alike(batch: Session, other: Session, command: str) -> None:
    job_id = batch.launch("-c", "pass", "-t", "60")
    code, text, errors = other.jobs(command, job_id)
    assert (code, text, errors) == (2, "", f"headless: unknown job {job_id}\n")
    unknown = "0" * 26
    assert other.jobs(command, unknown) == (2, "", f"headless: unknown job {unknown}\n")
    _, text, _ = other.jobs("list", "--by", "batch")
    assert text == ""


def test_the_owner_sees_all_jobs_over_the_unix_socket(server: Server, batch: Session, other: Session) -> None:
    ids = {session.launch("-c", "pass", "-t", "60") for session in (batch, other)}
    done = server.world.run("jobs", "list", "--json", "-s", server.unix)
    assert done.returncode == 0, done.stderr
    assert ids <= {job["job_id"] for job in json.loads(done.stdout)}
    done = server.world.run("jobs", "list", "--json", "-s", server.unix, "--by", "other")
    assert {job["user"] for job in json.loads(done.stdout)} == {"other"}


def test_many_jobs_come_page_by_page(batch: Session) -> None:
    ids = [batch.launch("-c", "pass", "--name", "many", "-t", "60") for _ in range(5)]
    code, text, errors = batch.jobs("list", "--name", "many", "--limit", "3", "-v", "--json")
    assert (code, [job["job_id"] for job in json.loads(text)]) == (0, ids[:1:-1])
    assert errors.endswith("headless: there are more than these 3 jobs: see --limit\n")


def test_prune_forgets_what_is_over(batch: Session, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    ids = [batch.launch("-c", "pass", "--name", "pruned", "-t", "60") for _ in range(3)]
    running = batch.launch("-c", wait_code(mark), "--name", "pruned")
    code, text, errors = batch.jobs("prune", "--older", "0", "--keep", "1", "--name", "pruned", "-v")
    assert (code, text) == (0, "")
    assert errors.endswith("headless: 2 jobs were removed\n")
    _, text, _ = batch.jobs("list", "--name", "pruned", "--json")
    assert [job["job_id"] for job in json.loads(text)] == [running, ids[-1]]
    assert batch.jobs("logs", ids[0]) == (2, "", f"headless: unknown job {ids[0]}\n")
    mark.touch()
    batch.wait_state(running, "ended")
    assert batch.jobs("prune", "--older", "0", "--name", "pruned") == (0, "", "")
    assert batch.jobs("list", "--name", "pruned") == (0, "", "")


def test_output_that_was_not_kept_is_marked(world: World) -> None:
    server = world.serve("--max-output", "10000", tls=False)
    done = world.run("-s", server.unix, "-v", "-c", "print('x' * 99 + chr(10), end='', flush=True); print('y' * 20000)")
    job_id = re.findall(r"job ([0-9A-Z]{26}) accepted", done.stderr.decode())[0]
    world.run("jobs", "attach", job_id, "-s", server.unix)
    done = world.run("jobs", "logs", job_id, "-s", server.unix)
    assert (done.returncode, done.stderr) == (0, b"")
    cut = [int(count) for count in re.findall(rb"^\[headless: (\d+) bytes were cut here\]$", done.stdout, re.MULTILINE)]
    kept = re.sub(rb"\n?\[headless: \d+ bytes were cut here\]\n", b"", done.stdout)
    assert len(cut) == 1
    assert len(kept) + cut[0] == 100 + 20001
    assert kept.startswith(b"x" * 99 + b"\nyyy")


def test_the_embedded_servers_history_outlives_it(world: World) -> None:
    done = world.run("-c", "print('kept')", "-t", "60")
    assert done.returncode == 0, done.stderr
    world.run("server", "stop")
    assert world.run("server", "status").returncode == 1
    done = world.run("jobs", "list", "--json")
    assert done.returncode == 0, done.stderr
    (job,) = json.loads(done.stdout)
    assert world.run("server", "status").returncode == 0
    assert world.run("jobs", "logs", job["job_id"]).stdout == b"kept\n"


def test_a_server_that_is_killed_and_started_again_is_gone_on_with(world: World, tmp_path: Path) -> None:
    server, mark = world.serve(tls=False), tmp_path / "mark"
    done = world.run("-s", server.unix, "-v", "-c", f"print('begun', flush=True)\n{wait_code(mark)}\nprint('done')")
    job_id = re.findall(r"job ([0-9A-Z]{26}) accepted", done.stderr.decode())[0]
    commands = (("logs", "-f", job_id, "-t60"), ("attach", job_id, "-t60"))
    waiting = [world.start("jobs", *words, "-s", server.unix) for words in commands]
    for process in waiting:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
    server.process.kill()
    server.process.wait(20 * TIME_SCALE)
    world.serve(state=server.state, tls=False)
    mark.touch()
    for process in waiting:
        output, errors = process.communicate(timeout=30 * TIME_SCALE)
        assert (process.returncode, output, errors) == (0, b"done\n", b"")
