"""What a launch says when it may not have the embedded server: another process is in the way for too long."""

import fcntl
import os
from pathlib import Path

import pytest

from headless.config import Environment
from headless.errors import ConnectionFailed, ParameterError
from headless.launcher import embedded


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A user's who has nothing yet."""
    return Environment(
        home=str(tmp_path), config_files=(), config_folder="", state_folder=str(tmp_path / "state"), runtime_folder="",
        credentials="", is_in_unit=False, notify_socket="", listen_fds=0, has_journal=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("start.lock", "another launch is starting the embedded server, and does not end: try again later"),
        ("lock", "the embedded server is stopping: try again later"),
    ],
)
def test_a_lock_that_another_process_keeps_is_told_in_time(
    environment: Environment, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "START_LIMIT_S", 0.1)
    state = Path(embedded.embedded_state(environment))
    state.mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    with (state / name).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConnectionFailed) as caught:
            embedded.ensure_server(environment)
    assert str(caught.value) == message and caught.value.exit_code == 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_in_the_place_of_the_lock_is_not_followed(environment: Environment, tmp_path: Path) -> None:
    state = Path(embedded.embedded_state(environment))
    state.mkdir(parents=True)
    (state / "start.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ParameterError, match="is of no use"):
        embedded.ensure_server(environment)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_in_the_place_of_the_folder_is_told(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(ParameterError, match=r"is of no use: .*: set XDG_STATE_HOME to a folder of yours"):
        embedded.ensure_server(environment)
