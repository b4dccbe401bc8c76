"""What a launcher does when the server or the network fails it: it comes back, and tells the truth."""

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_support import find_processes
from launch_support import wait_code
from support import TIME_SCALE, Server, World, open_world, wait_for
from tcp_relay import TcpRelay, tcp_relay

# Prints a line for each name as soon as a file of that name is there, and a mark that it ran.
STEPS = """
import os, sys, time
here, status, *names = sys.argv[1:]
with open(here + "/ran", "a") as file:
    print(os.environ["HEADLESS_JOB_ID"], file=file)
limit = time.monotonic() + 60
for name in names:
    while not os.path.exists(here + "/" + name) and time.monotonic() < limit:
        time.sleep(0.01)
    print("x" * 50_000, name, flush=True)
raise SystemExit(int(status))
"""
APPEND = "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), b'ran\\n')"


def start_steps(world: World, service: list[str], *names: str, status: int = 0) -> "subprocess.Popen[bytes]":
    """Start a launcher that waits for such a job with all its output; return once the job runs."""
    words = ["-v", "-t", "-1", "-o", f"{world.home}/output", "--exit-code", "job", "-c", STEPS, *service]
    launcher = world.start(*words, "--", str(world.home), str(status), *names)
    wait_for((world.home / "ran").exists, "the job's start")
    return launcher


def expected_output(*names: str) -> str:
    """What such a job prints."""
    return "".join(f"{'x' * 50_000} {name}\n" for name in names)


def has_output(world: World, *names: str) -> bool:
    """Whether the launcher has written all that the job has printed by now."""
    path = world.home / "output"
    return path.exists() and path.read_text() == expected_output(*names)


def finish(launcher: "subprocess.Popen[bytes]", limit_s: float = 40) -> tuple[int, str]:
    """Wait for a launcher's end; return its exit code and what it said."""
    _, errors = launcher.communicate(timeout=limit_s * TIME_SCALE)
    return launcher.returncode, errors.decode()


def list_talk(errors: str) -> list[str]:
    """The lines that the launcher said of the connection, without what the system calls the failure."""
    return re.findall(r"(?m)^headless: .*(trying again|connected again) ?(?:after .*)?$", errors)


def read_talk(launcher: "subprocess.Popen[bytes]", pattern: str) -> str:
    """Read what a launcher says until a line matches."""
    assert launcher.stderr is not None
    for line in launcher.stderr:
        if re.search(pattern, line.decode()):
            return line.decode()
    raise AssertionError(f"the launcher has ended without {pattern!r}")


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_a_server_that_is_killed_and_started_again_costs_no_byte(world: World, kind: str) -> None:
    server = world.serve()
    service = ["-s", server.unix] if kind == "unix" else server.add_user("batch", "--allow-code")
    launcher = start_steps(world, service, "before", "meanwhile", "after", status=3)
    (world.home / "before").touch()
    wait_for(lambda: has_output(world, "before"), "the output before")
    server.crash()
    (world.home / "meanwhile").touch()
    server = server.restart()
    wait_for(lambda: has_output(world, "before", "meanwhile"), "the output that came meanwhile")
    server.crash()
    server = server.restart()
    (world.home / "after").touch()
    code, errors = finish(launcher)
    assert code == 3, errors
    assert has_output(world, "before", "meanwhile", "after")
    assert (world.home / "ran").read_text().count("\n") == 1
    assert list_talk(errors).count("connected again") == 2


def test_a_job_that_ends_while_no_server_runs_is_told_by_the_next_one(world: World) -> None:
    server = world.serve(tls=False)
    launcher = start_steps(world, ["-s", server.unix], "only", status=0)
    server.crash()
    (world.home / "only").touch()
    job_id = (world.home / "ran").read_text().strip()
    wait_for(lambda: not find_processes(f"HEADLESS_JOB_ID={job_id}"), "the job's end")
    server.restart()
    assert finish(launcher)[0] == 0
    assert has_output(world, "only")


def test_a_server_that_is_stopped_and_started_again_is_taken_up_again(world: World) -> None:
    server = world.serve(tls=False)
    launcher = start_steps(world, ["-s", server.unix], "before", "after")
    (world.home / "before").touch()
    wait_for(lambda: has_output(world, "before"), "the output before")
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("action=draining")
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)  # the second one does not wait for the job
    assert server.process.wait(20 * TIME_SCALE) == 0
    server.restart()
    (world.home / "after").touch()
    code, errors = finish(launcher)
    assert code == 0, errors
    assert has_output(world, "before", "after")
    assert "the server is stopping: trying again" in errors


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    """A server that many tests put a relay in front of."""
    with open_world() as world:
        server = world.serve()
        server.add_user("batch", "--allow-code")
        yield server


@pytest.fixture
def here(shared: Server) -> Path:
    """A folder for the files of one test."""
    folder = shared.world.home / f"here-{os.urandom(4).hex()}"
    folder.mkdir()
    return folder


def words_for(shared: Server, relay: TcpRelay) -> list[str]:
    """The launcher's options to come through the relay."""
    return ["-s", relay.service, "-u", "batch", "-p", f"{shared.world.home}/batch.secret"]


@pytest.mark.parametrize("seed", range(8))
def test_cuts_at_random_while_a_job_is_started_start_it_once(shared: Server, here: Path, seed: int) -> None:
    chance = random.Random(seed)
    # A login over TLS, a start and the news of its end take 3,500 bytes: the cuts fall into all of their parts.
    budgets = [chance.randrange(1, 3300) for _ in range(4)]
    with tcp_relay(shared.service, budgets) as relay:
        done = shared.world.run(*words_for(shared, relay), "-t", "-1", "-c", APPEND, "--", f"{here}/ran", limit_s=60)
        assert relay.cuts == 4
    assert (done.returncode, done.stderr) == (0, b"")
    assert (here / "ran").read_text() == "ran\n"


@pytest.mark.parametrize("seed", range(4))
def test_cuts_at_random_lose_no_byte_of_input_and_output(shared: Server, here: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = chance.randbytes(1_500_000)
    budgets = [chance.randrange(1000, 1_500_000) for _ in range(5)]
    code = "import os, shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    with tcp_relay(shared.service, budgets) as relay:
        words = [*words_for(shared, relay), "-t", "-1", "--stdin", "-o", f"{here}/output", "-c", code]
        done = shared.world.run(*words, stdin=data, limit_s=90)
        assert relay.cuts >= 1
    assert (done.returncode, done.stderr) == (0, b"")
    assert (here / "output").read_bytes() == data


def test_a_network_that_goes_silent_is_noticed_and_one_that_comes_back_is_used(world: World) -> None:
    server = world.serve("--ping-interval", "0.4")
    login = server.add_user("batch", "--allow-code")
    with tcp_relay(server.service) as relay:
        launcher = start_steps(world, [*login, "-s", relay.service], "before", "after")
        (world.home / "before").touch()
        wait_for(lambda: has_output(world, "before"), "the output before")
        relay.stall()
        assert "the server was silent for 1.2 s: trying again" in read_talk(launcher, "trying again")
        relay.refuse()
        relay.resume()
        relay.accept()
        (world.home / "after").touch()
        code, errors = finish(launcher)
    assert code == 0, errors
    assert has_output(world, "before", "after")
    assert "connected again after" in errors


def test_a_server_that_is_stopped_for_longer_than_the_silence_limit_is_come_back_to(world: World) -> None:
    server = world.serve("--ping-interval", "0.4", tls=False)
    launcher = start_steps(world, ["-s", server.unix], "before", "after")
    server.process.send_signal(signal.SIGSTOP)
    (world.home / "before").touch()
    assert "the server was silent for 1.2 s" in read_talk(launcher, "trying again")
    server.process.send_signal(signal.SIGCONT)
    read_talk(launcher, "connected again after")
    (world.home / "after").touch()
    assert finish(launcher)[0] == 0
    assert has_output(world, "before", "after")
    assert (world.home / "ran").read_text().count("\n") == 1


def test_a_server_that_comes_late_is_waited_for(world: World) -> None:
    launcher = world.start("-v", "-s", f"unix:{world.home}/state0.sock", "-c", "pass", "-t", "-1")
    read_talk(launcher, "trying again")
    world.serve(tls=False)
    assert finish(launcher)[0] == 0


def test_a_server_that_never_comes_is_a_connection_error_with_its_last_reason(world: World) -> None:
    done = world.run("-v", "-s", f"unix:{world.home}/none.sock", "-c", "pass", "--connect-for", f"{1.5 * TIME_SCALE:g}")
    *retries, last = done.stderr.decode().splitlines()
    assert done.returncode == 1
    reason = f"headless: cannot connect to unix:{world.home}/none.sock: No such file or directory: "
    assert last.startswith(reason) and not last.endswith("trying again")
    assert len(retries) >= 2 and all(line.startswith(reason) and line.endswith("trying again") for line in retries)


@pytest.mark.parametrize("words", [["-t", f"{2 * TIME_SCALE:g}"], ["-t", "-1", "--reconnect-for", "1.5"]])
def test_a_server_that_does_not_come_back_leaves_an_unknown_outcome(world: World, words: list[str]) -> None:
    server = world.serve(tls=False)
    launcher = world.start(*words, "-s", server.unix, "-c", wait_code(world.home / "go"))
    job_id = server.wait_log(r"start job=(\w{26})")[1]
    server.crash()
    code, errors = finish(launcher)
    assert code == 8
    assert errors.startswith(f"headless: job {job_id}: cannot connect to {server.unix}: ")
    assert errors.endswith(f"; its outcome is unknown here: headless jobs show {job_id}\n")
    assert errors.count("\n") == 1
    (world.home / "go").touch()


def test_a_server_that_hangs_does_not_hold_a_launcher_beyond_its_time(world: World) -> None:
    server = world.serve("--ping-interval", "0.2", tls=False)
    launcher = world.start("-t", f"{4 * TIME_SCALE:g}", "-s", server.unix, "-c", wait_code(world.home / "go"))
    server.wait_log("action=start job=")
    server.process.send_signal(signal.SIGSTOP)
    code, errors = finish(launcher, 20)
    server.process.send_signal(signal.SIGCONT)
    (world.home / "go").touch()
    assert code == 8, errors
    assert "its outcome is unknown here" in errors


def test_a_launch_to_a_server_that_hangs_ends_with_its_time_to_connect(world: World) -> None:
    server = world.serve(tls=False)
    server.process.send_signal(signal.SIGSTOP)
    done = world.run("-s", server.unix, "-c", "pass", "--connect-for", "1", limit_s=20)
    server.process.send_signal(signal.SIGCONT)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"no answer in time: is this a headless server?" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_launcher_that_is_trying_again(world: World, number: signal.Signals) -> None:
    server = world.serve(tls=False)
    launcher = start_steps(world, ["-s", server.unix], "go")
    server.crash()
    read_talk(launcher, "trying again")
    launcher.send_signal(number)
    code, errors = finish(launcher)
    assert code == -number
    job_id = (world.home / "ran").read_text().strip()
    assert errors.endswith(f"headless: ended by {number.name}: job {job_id} goes on\n")
    (world.home / "go").touch()


def test_a_signal_before_the_start_says_that_nothing_was_started(world: World) -> None:
    launcher = world.start("-v", "-s", f"unix:{world.home}/none.sock", "-c", "pass")
    read_talk(launcher, "trying again")
    launcher.send_signal(signal.SIGTERM)
    code, errors = finish(launcher)
    assert code == -signal.SIGTERM
    assert errors.endswith("headless: ended by SIGTERM: nothing was started\n")


def test_an_embedded_server_that_is_killed_is_started_again(world: World) -> None:
    launcher = start_steps(world, [], "before", "after", status=5)
    (world.home / "before").touch()
    wait_for(lambda: has_output(world, "before"), "the output before")
    status = world.run("server", "status").stdout.decode()
    os.kill(int(re.findall(r"(?m)^pid +(\d+)$", status)[0]), signal.SIGKILL)
    read_talk(launcher, "connected again after")
    (world.home / "after").touch()
    assert finish(launcher)[0] == 5
    assert has_output(world, "before", "after")
    assert (world.home / "ran").read_text().count("\n") == 1
