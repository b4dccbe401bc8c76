"""``headless audit``: what it says of a log, and what ``headless user`` leaves there."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from headless.server.audit import AuditAction, append_audit
from support import World

MAPPING = ["--run-as", "root"] if os.geteuid() == 0 else []


@pytest.fixture
def state(world: World) -> Path:
    """A state folder with three lines in its log."""
    folder = world.home / "state"
    folder.mkdir(mode=0o700)
    append_audit(str(folder), AuditAction.LOGIN, user="batch", auth="challenge", origin="192.0.2.1")
    append_audit(str(folder), AuditAction.START, user="batch", job="01J", name="nightly", code_sha256="ab" * 32)
    append_audit(str(folder), AuditAction.REFUSED_LOGIN, user="x\n\x1b[31m", origin="192.0.2.2")
    return folder


def test_an_intact_log_is_told_in_one_line_with_its_head(world: World, state: Path) -> None:
    done = world.run("audit", "verify", "--state", str(state))
    head = hashlib.sha256((state / "audit.log").read_bytes().splitlines()[2]).hexdigest()
    assert (done.returncode, done.stderr) == (0, b"")
    pattern = rf"3 lines, intact from [\d-]+T[\d:.]+Z to [\d-]+T[\d:.]+Z, head {head}\n"
    assert re.fullmatch(pattern, done.stdout.decode())
    again = world.run("audit", "verify", str(state / "audit.log"), "--head", head)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_log_that_was_changed_ends_with_4_and_one_line(world: World, state: Path) -> None:
    path = state / "audit.log"
    path.write_bytes(path.read_bytes().replace(b"nightly", b"daily"))
    done = world.run("audit", "verify", "--state", str(state))
    assert (done.returncode, done.stdout) == (4, b"")
    (line,) = done.stderr.decode().splitlines()
    assert "line 3 does not follow line 2" in line


def test_a_head_that_is_gone_ends_with_4(world: World, state: Path) -> None:
    done = world.run("audit", "verify", "--state", str(state), "--head", "ab" * 32)
    assert done.returncode == 4 and b"no line has the head" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "/nowhere/audit.log"], "cannot be read: No such file"),
        (["verify", "FILE", "--state", "/"], "not both"),
        (["verify", "FILE", "--head", "xyz"], "64 digits"),
        (["show", "FILE", "--action", "nothing"], "known are server-start"),
        (["show", "FILE", "--since", "yesterday"], "give a time like"),
        (["show", "/"], "cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_is_refused(world: World, state: Path, arguments: list[str], message: str) -> None:
    log = str(state / "audit.log")
    done = world.run("audit", *[log if item == "FILE" else item for item in arguments])
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_show_prints_what_was_asked_for_and_nothing_that_a_terminal_would_obey(world: World, state: Path) -> None:
    def show(*options: str) -> list[str]:
        done = world.run("audit", "show", "--state", str(state), *options)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode().splitlines()

    assert [line.split()[1] for line in show()] == ["login", "start", "refused-login"]
    assert "user=batch auth=challenge origin=192.0.2.1" in show()[0]
    assert '"x\\n\\u001b[31m"' in show()[2]
    assert len(show("--action", "login", "--action", "start")) == 2
    assert len(show("--user", "batch")) == 2
    append_audit(str(state), AuditAction.CANCEL, job="01J", by="batch")  # a line that names who acted, and no user
    assert len(show("--user", "batch")) == 3
    assert (len(show("--since", "1h")), show("--since", "2999-01-01")) == (4, [])
    assert len(show("--since", "2001-01-01T06:00+02:00")) == 4
    (entry,) = [json.loads(line) for line in show("--json", "--action", "start")]
    assert (entry["name"], entry["code_sha256"]) == ("nightly", "ab" * 32)


def test_show_passes_over_a_torn_line_and_says_so(world: World, state: Path) -> None:
    with (state / "audit.log").open("ab") as file:
        file.write(b'{"previous":"')
    done = world.run("audit", "show", "--state", str(state))
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 3)
    assert b"line 4 is torn or changed" in done.stderr


def test_every_change_of_a_user_is_recorded_and_no_secret_is(world: World) -> None:
    state, secret = world.home / "state", world.home / "batch.secret"

    def user(*arguments: str, code: int = 0, stdin: bytes = b"") -> None:
        done = world.run("user", *arguments, "--state", str(state), stdin=stdin)
        assert done.returncode == code, done.stderr

    user("add", "batch", "--allow-module", "nightly-*", *MAPPING, "--secret-out", str(secret))
    user("allow", "batch", "--code", "--module", "weekly")
    user("deny", "batch", "--code")
    user("passwd", "batch", "--password-stdin", stdin=b"correct horse\n")
    user("disable", "batch")
    user("enable", "batch")
    user("remove", "batch")
    user("remove", "batch", code=2)  # nothing was changed, nothing is told
    user("list")
    log = (state / "audit.log").read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    assert [entry["action"] for entry in entries] == [
        f"user-{word}" for word in ("add", "allow", "deny", "secret", "disable", "enable", "remove")
    ]
    assert all(entry["user"] == "batch" and entry["by"] for entry in entries)
    assert (entries[0]["modules"], entries[1]["modules"]) == (["nightly-*"], ["weekly"])
    assert entries[1]["code"] is True and entries[2] == {**entries[2], "code": True}
    assert "horse" not in log and secret.read_text().strip() not in log and "$2b$" not in log
    assert world.run("audit", "verify", "--state", str(state)).returncode == 0


def test_where_nothing_can_be_recorded_nothing_is_changed(world: World) -> None:
    state = world.home / "state"
    (state / "audit.log").mkdir(parents=True)
    state.chmod(0o700)
    done = world.run("user", "add", "batch", "--login", "osuser", "--state", str(state))
    assert done.returncode == 2 and b"audit log" in done.stderr
    assert not (state / "users.json").exists()
