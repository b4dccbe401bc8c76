"""The users' file: what is kept, what is refused, and what a running server does while it is damaged."""

import json
import logging
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headless.errors import ParameterError
from headless.protocol.scram import build_verifier
from headless.server.users import Secret, User, UserStore

SECRET = Secret("$2b$12$abcdefghijklmnopqrstuu", build_verifier(b"text", b"0123456789abcdef"))
FULL = User(
    "batch", False, ("challenge", "x509"), SECRET, "alice", ("CN=batch", "DNS:b"), "bob", ("nightly-*",), True, True
)


@pytest.fixture
def store(tmp_path: Path) -> UserStore:
    return UserStore(str(tmp_path))


def test_what_was_added_is_read_back_the_same_by_another_process(store: UserStore, tmp_path: Path) -> None:
    store.add(FULL)
    store.add(User("plain"))
    assert UserStore(str(tmp_path)).load() == {"batch": FULL, "plain": User("plain")}
    assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600


def test_a_new_user_may_nothing(store: UserStore) -> None:
    store.add(User("plain"))
    user = store.load()["plain"]
    assert not (user.may_run_module("tidy") or user.scripts or user.code)


@pytest.mark.parametrize("name", ["", "a b", "-x", "../x", "x" * 65, "a\nb", "é", "a,b"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(store: UserStore, name: str) -> None:
    with pytest.raises(ParameterError, match="letters, digits"):
        store.add(User(name))
    assert store.load() == {}


@pytest.mark.parametrize(
    ("pattern", "module", "may"),
    [
        ("nightly-*", "nightly-report", True),
        ("nightly-*", "nightly_report", True),
        ("nightly_*", "nightly-report", True),
        ("nightly-*", "Nightly-report", False),
        ("nightly-*", "weekly-report", False),
        ("nightly-*", "x-nightly-report", False),
        ("*", "anything", True),
        ("tidy", "tidy2", False),
    ],
)
def test_a_pattern_matches_the_whole_name(pattern: str, module: str, may: bool) -> None:
    assert User("u", modules=(pattern,)).may_run_module(module) is may


def test_a_change_at_the_same_time_loses_none_of_two(store: UserStore, tmp_path: Path) -> None:
    """Both read, then both write: the second one must have seen what the first one wrote."""
    store.add(User("batch"))
    inside = threading.Event()

    def allow_script(user: User) -> dict[str, Any]:
        inside.set()
        return {"scripts": True, "modules": (*user.modules, "one")}

    def allow_code() -> None:
        assert inside.wait(10)
        UserStore(str(tmp_path)).change("batch", lambda user: {"code": True, "modules": (*user.modules, "two")})

    thread = threading.Thread(target=allow_code)
    thread.start()
    store.change("batch", allow_script)
    thread.join()
    user = store.load()["batch"]
    assert (user.scripts, user.code, user.modules) == (True, True, ("one", "two"))


@pytest.mark.parametrize("action", [lambda store: store.remove("x"), lambda store: store.change("x", lambda _: {})])
def test_an_unknown_user_is_named_and_nothing_is_written(
    store: UserStore, tmp_path: Path, action: Callable[[UserStore], object]
) -> None:
    with pytest.raises(ParameterError, match="there is no user 'x'"):
        action(store)
    assert not (tmp_path / "users.json").exists()


USER: dict[str, Any] = {
    "enabled": True, "logins": ["challenge"], "secret": None, "os_user": "", "subjects": [], "run_as": "",
    "modules": [], "scripts": False, "code": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 1}',
        b'{"format": 1, "users": []}',
        json.dumps({"format": 1, "users": {"a": {**USER, "enabled": "false"}}}).encode(),
        json.dumps({"format": 1, "users": {"a": {**USER, "modules": "tidy"}}}).encode(),
        json.dumps({"format": 1, "users": {"a": {**USER, "admin": True}}}).encode(),
        json.dumps({"format": 1, "users": {"a": {**USER, "secret": {"bcrypt_salt": ""}}}}).encode(),
    ],
)
def test_a_damaged_file_is_told_and_while_it_is_the_users_from_before_still_hold(
    store: UserStore, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(FULL)
    store.load()
    (tmp_path / "users.json").write_bytes(content)
    with pytest.raises(ParameterError, match="damaged"):
        store.load()
    with caplog.at_level(logging.ERROR, "headless.users"):
        assert store.current() == store.current() == {"batch": FULL}
    assert len(caplog.records) == 1  # once, not at every login


def test_a_file_that_is_mended_counts_again_and_its_next_damage_is_told_again(
    store: UserStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(FULL)
    good = (tmp_path / "users.json").read_bytes()
    for number in (1, 2):
        (tmp_path / "users.json").write_bytes(b"{")
        store.current()
        assert len(caplog.records) == number
        (tmp_path / "users.json").write_bytes(good.replace(b"nightly", b"weekly%d" % number))
        assert store.current()["batch"].modules == (f"weekly{number}-*",)


def test_a_file_of_a_newer_version_is_refused_with_what_to_do(store: UserStore, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text('{"format": 2, "users": {}}')
    with pytest.raises(ParameterError, match=r"format 2.*upgrade headless"):
        store.load()


def test_a_file_that_cannot_be_written_leaves_what_was_there(store: UserStore, tmp_path: Path) -> None:
    store.add(FULL)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "gone" / "gone")
    broken = UserStore(str(tmp_path / "elsewhere"))
    with pytest.raises(ParameterError, match="cannot be changed"):
        broken.add(User("other"))
    assert store.load() == {"batch": FULL}
