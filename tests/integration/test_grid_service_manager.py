"""What the service manager, and the log, are told of a grid."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_raw import open_session
from grid_support import GridServer
from support import TIME_SCALE


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GridServer]:
    """A grid, not started."""
    with GridServer(tmp_path) as server:
        yield server


def test_systemd_is_told_ready_and_stopping(server: GridServer) -> None:
    path = str(server.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30 * TIME_SCALE)
        server.variables["NOTIFY_SOCKET"] = path
        server.start()
        assert manager.recv(4096).decode() == f"READY=1\nSTATUS=listening on 127.0.0.1:{server.port}"
        server.stop()
        assert manager.recv(4096).decode().startswith("STOPPING=1\n")
    assert "action=stopping reason=SIGTERM" in server.log


def test_what_was_refused_is_in_the_log(server: GridServer) -> None:
    user = server.add_user("tester")
    server.start()
    with open_session(user) as session:
        assert session.code("access", "-s", "5", "write", "big") == 77
        assert session.code("mkdir", "/x\u2028y") == 13
        assert session.code("stat", "nosuch") == 2
        assert session.code("commit", "a secret envelope") == 53
    refused = [line.partition("action=")[2] for line in server.log.splitlines() if "action=refused" in line]
    assert [line.partition(" reason=")[0].split(" source=")[0] for line in refused] == ["refused user=tester"] * 3
    assert ["errno=77" in refused[0], "command='access'" in refused[0], "errno=13" in refused[1]] == [True] * 3
    assert "command='commit' errno=53" in refused[2]
    assert "secret" not in server.log
