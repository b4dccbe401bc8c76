"""Where settings come from: the launcher's files in their order, and what of the environment counts."""

import os
from pathlib import Path

import pytest

from headless.config import read_completion, read_environment, read_launcher_files
from headless.errors import ParameterError

KNOWN = {"service", "timeout", "auth_type", "py_code", "quiet"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The user's file and the system's, in two folders; neither exists yet."""
    return tmp_path / "user.toml", tmp_path / "system.toml"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty environment but for HOME; set what the test needs."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/home/batch")
    return monkeypatch


def read(files: tuple[Path, Path]) -> dict[str, tuple[object, str]]:
    """Read both, the user's first."""
    return read_launcher_files([str(path) for path in files], KNOWN)


def test_without_files_there_are_no_settings(files: tuple[Path, Path]) -> None:
    assert read(files) == {}


def test_the_users_file_is_stronger_than_the_systems(files: tuple[Path, Path]) -> None:
    user, system = files
    user.write_text('service = "mine:1"\n')
    system.write_text('service = "site:1"\ntimeout = -1\n')
    assert read(files) == {"service": ("mine:1", str(user)), "timeout": (-1, str(system))}


def test_dashes_and_underscores_name_the_same_setting(files: tuple[Path, Path]) -> None:
    user, system = files
    user.write_text('auth-type = "x509"\n')
    system.write_text('auth_type = "challenge"\npy-code = "pass"\n')
    assert read(files) == {"auth_type": ("x509", str(user)), "py_code": ("pass", str(system))}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('servise = "a:1"\n', "unknown setting 'servise': did you mean 'service'?"),
        ("[auth]\ntype = 1\n", "unknown setting 'auth'"),
        ("xyz = 1\n", "unknown setting 'xyz'"),
        ("service = \n", "not valid TOML: Invalid value (at line 1, column 11)"),
        ("timeout = 1\ntimeout = 2\n", "not valid TOML: Cannot overwrite a value"),
        ("service = 'caf\udce9'\n", "not valid TOML: 'utf-8' codec can't decode byte 0xe9"),
    ],
)
def test_a_wrong_file_is_refused_by_name(files: tuple[Path, Path], text: str, reason: str) -> None:
    files[1].write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ParameterError) as error:
        read(files)
    assert str(error.value).startswith(f"{files[1]}: {reason}")
    assert str(error.value).count("\n") == 0


def test_a_folder_of_that_name_is_refused(files: tuple[Path, Path]) -> None:
    files[0].mkdir()
    with pytest.raises(ParameterError, match=r"user\.toml cannot be read: Is a directory"):
        read(files)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_that_cannot_be_read_is_not_passed_over(files: tuple[Path, Path]) -> None:
    files[1].write_text("quiet = true\n")
    files[1].chmod(0)
    with pytest.raises(ParameterError, match=r"system\.toml cannot be read: Permission denied"):
        read(files)


def test_the_places_follow_from_home_alone(environment: pytest.MonkeyPatch) -> None:
    found = read_environment()
    assert found.config_files == ("/home/batch/.config/headless/config.toml", "/etc/headless/config.toml")
    assert (found.config_folder, found.state_folder) == (
        "/home/batch/.config/headless",
        "/home/batch/.local/state/headless",
    )
    assert (found.runtime_folder, found.credentials, found.notify_socket, found.listen_fds) == ("", "", "", 0)
    assert (found.is_in_unit, found.has_journal) == (False, False)


def test_the_places_follow_xdg_where_it_is_absolute(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("XDG_CONFIG_HOME", "/c")
    environment.setenv("XDG_STATE_HOME", "relative")
    environment.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    found = read_environment()
    assert found.config_files[0] == "/c/headless/config.toml"
    assert found.state_folder == "/home/batch/.local/state/headless"
    assert found.runtime_folder == "/run/user/7"


def test_without_home_the_users_database_names_it(environment: pytest.MonkeyPatch) -> None:
    import pwd

    environment.delenv("HOME")
    assert read_environment().home == pwd.getpwuid(os.getuid()).pw_dir


@pytest.mark.parametrize(
    ("count", "is_ours", "expected"), [("2", True, 2), ("2", False, 0), ("x", True, 0), ("-1", True, 0)]
)
def test_sockets_are_ours_only_if_handed_to_this_process(
    environment: pytest.MonkeyPatch, count: str, is_ours: bool, expected: int
) -> None:
    environment.setenv("LISTEN_FDS", count)
    environment.setenv("LISTEN_PID", str(os.getpid() if is_ours else 1))
    assert read_environment().listen_fds == expected


def test_the_journal_is_told_by_device_and_inode(environment: pytest.MonkeyPatch) -> None:
    status = os.fstat(2)
    environment.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    assert read_environment().has_journal
    environment.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
    assert not read_environment().has_journal


def test_a_shells_question_comes_by_a_variable(environment: pytest.MonkeyPatch) -> None:
    assert read_completion() == ""
    environment.setenv("_HEADLESS_COMPLETE", "bash_complete")
    assert read_completion() == "bash_complete"
