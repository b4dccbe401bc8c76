"""Folders, links and disks that are not as they should be."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_support import assert_accounts_for
from support import World, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount or to run jobs as another user")


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = world.home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0755", "headless-test", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("root may not mount here")
    yield disk
    for server in world.servers:
        server.kill()
    wait_for(
        lambda: subprocess.run(["umount", str(disk)], capture_output=True, check=False).returncode == 0, "the umount"
    )


@needs_root
def test_a_job_that_fills_the_servers_disk_ends_and_its_outcome_is_told(world: World, small_disk: Path) -> None:
    server = world.serve(state=small_disk / "state", tls=False)
    output = world.home / "output"
    code = "import sys; sys.stdout.write('x' * 5_000_000); raise SystemExit(9)"
    done = world.run("-s", server.unix, "-t", "-1", "-o", str(output), "-c", code)
    assert done.returncode == 4
    assert b"exit status 9 (stdout could not be kept: No space left on device)" in done.stderr
    assert_accounts_for(output.read_bytes(), 5_000_000, done.stderr)
    refused = world.run("-s", server.unix, "-t", "-1", "-c", "pass", "--connect-for", "1")
    assert refused.returncode == 1
    assert b"No space left on device" in refused.stderr or b"disk is full" in refused.stderr


def test_the_embedded_server_does_not_write_its_log_through_a_link(world: World) -> None:
    assert world.run("-c", "pass", "-t", "-1").returncode == 0
    world.run("server", "stop")
    (log,) = world.home.glob(".local/state/headless/*/server.log")
    victim = world.home / "victim"
    victim.touch()
    log.unlink()
    log.symlink_to(victim)
    done = world.run("-c", "pass", "-t", "-1")
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert victim.read_bytes() == b""
    log.unlink()
    assert world.run("-c", "pass", "-t", "-1").returncode == 0


def test_a_state_folder_that_others_could_write_is_not_trusted(world: World) -> None:
    assert world.run("-c", "pass", "-t", "-1").returncode == 0
    world.run("server", "stop")
    (log,) = world.home.glob(".local/state/headless/*/server.log")
    log.parent.chmod(0o777)
    done = world.run("-c", "pass", "-t", "-1")
    assert done.returncode == 2
    assert f"chmod 700 {log.parent}".encode() in done.stderr
    log.parent.chmod(0o700)


@needs_root
def test_jobs_of_other_users_are_refused_where_they_could_not_reach_their_folder(world: World) -> None:
    state = world.home / "closed"
    state.mkdir(mode=0o700)
    server = world.serve(state=state)
    login = server.add_user("batch", "--allow-code", "--run-as", "nobody")
    done = world.run(*login, "-c", "pass", "-t", "-1")
    assert done.returncode == 5
    assert f"chmod o+x {state}".encode() in done.stderr
    assert "action=denied" in server.log
    state.chmod(0o711)
    assert world.run(*login, "-c", "pass", "-t", "-1").returncode == 0


@needs_root
def test_a_job_of_another_user_can_open_its_own_streams_by_name(world: World) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code", "--run-as", "nobody")
    done = world.run(*login, "-c", "open('/dev/stdout', 'w').write('by name')", "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout) == (0, b"by name"), done.stderr


def test_a_damaged_record_of_an_outcome_is_a_lost_job_and_no_end_of_the_server(world: World) -> None:
    server = world.serve(tls=False)
    assert world.run("-s", server.unix, "-c", "pass", "-t", "-1").returncode == 0
    assert server.stop() == 0
    (record,) = server.state.glob("jobs/*/exit.json")
    record.write_bytes(b"")
    again = world.serve(state=server.state, tls=False)
    assert world.run("-s", again.unix, "-c", "pass", "-t", "-1").returncode == 0


@needs_root
@pytest.mark.peer("python3")
def test_a_socket_that_another_user_listens_on_is_no_embedded_server(world: World) -> None:
    runtime = world.home / "run"
    (runtime / "headless").mkdir(parents=True)
    (runtime / "headless").chmod(0o777)
    path = runtime / "headless/server.sock"
    code = f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(); time.sleep(60)"
    with subprocess.Popen(["/usr/bin/python3", "-I", "-c", code], user="nobody") as impostor:
        try:
            wait_for(path.exists, "the impostor's socket")
            done = world.run("-c", "pass", "-t", "5", environment={"XDG_RUNTIME_DIR": str(runtime)})
        finally:
            impostor.kill()
    assert done.returncode in (1, 2)
    assert b"others" in done.stderr or b"another user" in done.stderr


def test_a_job_that_is_kept_no_longer_leaves_nothing_behind(world: World) -> None:
    server = world.serve("--keep-days", "0", tls=False)
    assert world.run("-s", server.unix, "-c", "pass", "-t", "-1", "--stdin").returncode == 0
    assert server.stop() == 0
    assert list(server.state.glob("jobs/0*"))
    again = world.serve("--keep-days", "0", state=server.state, tls=False)
    wait_for(lambda: not list(server.state.glob("jobs/0*")), "the old job's removal")
    assert not list(server.state.glob("uploads/*/*"))
    assert world.run("jobs", "list", "-s", again.unix).stdout.count(b"\n") <= 1
