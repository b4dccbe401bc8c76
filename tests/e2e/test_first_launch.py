"""The shortest way through everything: a user, a secret file, a job over TLS, the codes."""

import pytest

from support import World


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("pass", 0, b""),
        ("raise SystemExit(7)", 4, b"failed: exit status 7"),
        ("1/0", 4, b"failed: ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 4, b"failed: killed by signal 9 (SIGKILL)"),
    ],
)
def test_a_launch_over_tls_exits_with_what_became_of_the_job(
    world: World, code: str, status: int, message: bytes
) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code")
    done = world.run(*login, "-c", code, "-t", "-1")
    assert (done.returncode, done.stdout) == (status, b"")
    assert message in done.stderr
    assert (done.stderr == b"") == (status == 0)


def test_without_a_service_a_server_is_started_and_the_output_comes_byte_for_byte(world: World) -> None:
    done = world.run("-c", "import sys; sys.stdout.buffer.write(bytes(range(256)))", "-t", "-1", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, bytes(range(256)), b"")
