"""A launcher that is stopped: it dies of the signal, says what becomes of the job, and the job goes on."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch_support import Answer, fake_server, run_shell, wait_code
from support import HEADLESS, TIME_SCALE, Server, World, open_world, wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server on a unix socket: its owner may do everything."""
    with open_world() as world:
        yield world.serve(tls=False)


def read_line(process: "subprocess.Popen[bytes]") -> str:
    """Wait for the end and return what it said."""
    _, err = process.communicate(timeout=20 * TIME_SCALE)
    return err.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_launcher_and_not_the_job(server: Server, tmp_path: Path, number: signal.Signals) -> None:
    mark, after = tmp_path / "end", tmp_path / "after"
    code = f"{wait_code(mark)}\nopen({str(after)!r}, 'w').close()"
    process = server.world.start("-v", "-s", server.unix, "-t", "-1", "-c", code)
    assert process.stderr
    assert b"logged in as" in process.stderr.readline()
    accepted = re.fullmatch(r"headless: job (\w{26}) accepted\n", process.stderr.readline().decode())
    assert accepted
    process.send_signal(number)
    assert read_line(process) == f"headless: ended by {number.name}: job {accepted[1]} goes on\n"
    assert process.returncode == -number
    mark.touch()
    server.wait_log(rf"action=end job={accepted[1]} ")
    assert after.exists()


def test_quiet_keeps_quiet_and_dies_of_the_signal_all_the_same(server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "end"
    seen = server.log.count("action=start")
    process = server.world.start("-q", "-s", server.unix, "-t", "-1", "-c", wait_code(mark))
    wait_for(lambda: server.log.count("action=start") > seen, "the job's start")
    process.send_signal(signal.SIGTERM)
    assert read_line(process) == ""
    assert process.returncode == -signal.SIGTERM
    mark.touch()


def test_nohup_stays_in_force(server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "end"
    seen = server.log.count("action=start")
    nohup = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    process = subprocess.Popen(
        [*nohup, HEADLESS, "-s", server.unix, "-t", "-1", "-c", wait_code(mark)],
        env=server.world.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: server.log.count("action=start") > seen, "the job's start")
    process.send_signal(signal.SIGHUP)
    mark.touch()
    assert read_line(process) == ""
    assert process.returncode == 0


class Gate:
    """An answer that does not come before the test is over."""

    def __init__(self) -> None:
        self.asked, self.open = threading.Event(), threading.Event()

    def __call__(self, _: object) -> dict[str, str]:
        """Answer, late."""
        self.asked.set()
        self.open.wait(20 * TIME_SCALE)
        return {"user": "me"}


@pytest.mark.parametrize(
    ("late", "truth"), [("login.osuser", "nothing was started"), ("job.start", r"job \w{26} may have been started")]
)
def test_before_the_answer_the_line_claims_only_what_is_known(world: World, late: str, truth: str) -> None:
    gate, path = Gate(), f"{world.home}/fake.sock"
    answers: dict[str, Answer] = {"login.osuser": {"user": "me"}, late: gate}
    with fake_server(path, answers):
        process = world.start("-s", f"unix:{path}", "-c", "pass")
        try:
            assert gate.asked.wait(20 * TIME_SCALE)
            process.send_signal(signal.SIGTERM)
            assert re.fullmatch(f"headless: ended by SIGTERM: {truth}\n", read_line(process))
        finally:
            gate.open.set()
    assert process.returncode == -signal.SIGTERM


def test_a_shell_sees_128_and_the_signal(server: Server) -> None:
    # The job ends the launcher, whose id the shell has told it: it writes its own before it becomes the launcher.
    code = "import os, sys; os.kill(int(sys.argv[1]), 15)"
    done = run_shell(server.world, f'sh -c \'exec "$H" -s {server.unix} -t 30 -c "{code}" -- $$\'; echo $?')
    assert done.stdout == b"143\n"
    assert b"ended by SIGTERM" in done.stderr
