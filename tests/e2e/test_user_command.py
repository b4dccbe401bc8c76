"""``headless user``: what it changes holds on the very next launch, and what it refuses changes nothing."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import HEADLESS, TIME_SCALE, Server, World

MAPPING = ["--run-as", "root"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def server(home: World) -> Server:
    modules = home.home / "modules"
    modules.mkdir()
    for name in ("nightly_report", "weekly_report"):
        (modules / f"{name}.py").write_text("pass\n")
    (home.home / "script.py").write_text("pass\n")
    return home.serve("--modules", str(modules))


@pytest.fixture(scope="module")
def there(home: World) -> bytes:
    """A users' file with one user, who is called ``there``."""
    assert user(home, "add", "there", "--login", "osuser").returncode == 0
    return (home.home / "state" / "users.json").read_bytes()


def user(world: World, *arguments: str, stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Run ``headless user`` on a state folder without a server."""
    return world.run("user", *arguments, "--state", str(world.home / "state"), stdin=stdin)


def refused(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The one line of a command that has changed nothing."""
    assert (done.returncode, done.stdout) == (2, b""), done.stderr
    (line,) = done.stderr.decode().splitlines()
    return line


def listed(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(user(world, "list", "--json").stdout)
    return rows


def test_each_permission_holds_from_the_very_next_launch_on(home: World, server: Server) -> None:
    login = server.add_user("batch")

    jobs = {
        "code": ["-c", "pass"],
        "script": ["-f", str(home.home / "script.py")],
        "nightly": ["-m", "nightly-report"],
        "weekly": ["-m", "weekly-report"],
    }

    def codes(*names: str) -> list[int]:
        return [home.run(*login, *jobs[name], "-t", "-1").returncode for name in names]

    assert codes(*jobs) == [5, 5, 5, 5]
    server.user("allow", "batch", "--code")
    assert codes("code", "script") == [0, 5]
    server.user("allow", "batch", "--script", "--module", "nightly-*")
    assert codes("script", "nightly", "weekly") == [0, 0, 5]
    server.user("deny", "batch", "--code")
    assert codes("code", "script") == [5, 0]
    server.user("allow", "batch", "--module", "*")
    server.user("deny", "batch", "--module", "nightly-*", "--script")
    assert codes("script", "nightly", "weekly") == [5, 0, 0]
    server.user("disable", "batch")
    assert codes("weekly") == [5]
    server.user("enable", "batch")
    assert codes("weekly") == [0]
    server.user("remove", "batch")
    assert codes("weekly") == [5]


def test_a_refusal_names_the_command_that_allows_it(home: World, server: Server) -> None:
    login = server.add_user("hint")
    for job, fix in (
        (["-c", "pass"], "headless user allow hint --code"),
        (["-f", str(home.home / "script.py")], "headless user allow hint --script"),
        (["-m", "nightly-report"], "headless user allow hint --module nightly-report"),
    ):
        done = home.run(*login, *job, "-t", "-1")
        assert (done.returncode, fix in done.stderr.decode()) == (5, True), done.stderr


def test_a_new_password_makes_the_old_secret_file_worthless(home: World, server: Server) -> None:
    login = server.add_user("change", "--allow-code")
    new = str(home.home / "new.secret")
    server.user("passwd", "change", "--secret-out", new)
    assert home.run(*login, "-c", "pass", "-t", "-1").returncode == 5
    assert home.run(*login[:-1], new, "-c", "pass", "-t", "-1").returncode == 0


def test_a_given_password_logs_in_with_the_secret_file_that_is_made_of_it(home: World, server: Server) -> None:
    import bcrypt

    server.user("add", "given", "--allow-code", *MAPPING, "--password-stdin", stdin=b"correct horse\n")
    kept = json.loads((server.state / "users.json").read_text())["users"]["given"]["secret"]
    secret = home.home / "given.secret"
    # What the launcher does at a terminal: the salt from the server, the hash of the password.
    secret.write_bytes(bcrypt.hashpw(b"correct horse", kept["bcrypt_salt"].encode()))
    secret.chmod(0o400)
    done = home.run("-s", server.service, "-u", "given", "-p", str(secret), "-c", "pass", "-t", "-1")
    assert (done.returncode, done.stderr) == (0, b"")
    text = (server.state / "users.json").read_text()
    assert "horse" not in text and secret.read_text() not in text


def test_a_secret_file_is_0400_one_line_and_needs_no_running_server(world: World) -> None:
    secret = world.home / "batch.secret"
    done = user(world, "add", "batch", "--secret-out", str(secret))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o400
    assert secret.read_bytes().count(b"\n") == 1 and len(secret.read_bytes()) == 61
    assert stat.S_IMODE((world.home / "state" / "users.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((world.home / "state").stat().st_mode) & 0o066 == 0


@pytest.mark.parametrize(
    ("password", "message"),
    [
        (b"x" * 73, "has 73 bytes, bcrypt takes at most 72"),
        ("ü".encode() * 37, "has 74 bytes"),
        (b"", "the password is empty"),
        (b"\n", "the password is empty"),
        (b"a\0b", "holds a NUL"),
        (b"one\ntwo\n", "more than one line"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_password_that_cannot_be_is_refused_and_no_user_is_made(world: World, password: bytes, message: str) -> None:
    assert message in refused(user(world, "add", "batch", "--password-stdin", stdin=password))
    assert not (world.home / "state" / "users.json").exists()


@pytest.mark.parametrize("password", [b"x" * 72 + b"\n", "ü ".encode() + b"\r\n"])
def test_a_password_of_up_to_72_bytes_is_taken(world: World, password: bytes) -> None:
    assert user(world, "add", "batch", "--password-stdin", stdin=password).returncode == 0


def test_without_a_terminal_nobody_is_asked(world: World) -> None:
    assert "give --secret-out FILE or --password-stdin" in refused(user(world, "add", "batch"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "a b", "--secret-out", "OUT"], "letters, digits"),
        (["add", "there", "--secret-out", "OUT"], "there is a user 'there' already"),
        (["add", "new", "--login", "osuser", "--secret-out", "OUT"], "a secret is for --login challenge only"),
        (["add", "new", "--login", "telnet"], "use challenge, osuser, x509"),
        (["add", "new", "--secret-out", "OUT", "--password-stdin"], "leave --password-stdin out"),
        (["passwd", "gone", "--secret-out", "OUT"], "there is no user 'gone'"),
        (["allow", "gone", "--code"], "there is no user 'gone'"),
        (["deny", "gone", "--code"], "there is no user 'gone'"),
        (["remove", "gone"], "there is no user 'gone'"),
        (["disable", "gone"], "there is no user 'gone'"),
        (["enable", "gone"], "there is no user 'gone'"),
        (["allow", "there"], "say what to allow"),
        (["deny", "there"], "say what to take back"),
        (["deny", "there", "--module", "x"], "was not allowed 'x'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_changes_nothing(
    home: World, there: bytes, arguments: list[str], message: str
) -> None:
    out = home.home / "out.secret"
    assert message in refused(user(home, *[str(out) if item == "OUT" else item for item in arguments], stdin=b"x"))
    assert (home.home / "state" / "users.json").read_bytes() == there
    assert not out.exists()


def test_a_secret_file_that_is_there_is_never_overwritten_and_no_user_is_made(world: World) -> None:
    out = world.home / "out.secret"
    out.write_text("precious")
    assert "exists already" in refused(user(world, "add", "batch", "--secret-out", str(out)))
    assert out.read_text() == "precious"
    assert "no user 'batch'" in refused(user(world, "remove", "batch"))
    assert "exists already" in refused(user(world, "add", "batch", "--secret-out", str(out)))


def test_no_secret_file_is_left_if_the_user_cannot_be_added(world: World) -> None:
    """It passes every check, and then the users' file cannot be locked."""
    state, out = world.home / "state", world.home / "out.secret"
    assert user(world, "add", "first", "--login", "osuser").returncode == 0
    (state / "users.json.lock").unlink()
    (state / "users.json.lock").mkdir()
    for command in (["add", "second"], ["passwd", "first"]):
        assert "cannot be changed" in refused(user(world, *command, "--secret-out", str(out)))
        assert not out.exists()


def test_a_state_folder_that_is_not_there_is_told_and_only_the_first_user_makes_it(world: World) -> None:
    for command in (["list"], ["remove", "x"], ["allow", "x", "--code"]):
        assert "there is no state folder" in refused(user(world, *command))
    assert not (world.home / "state").exists()


def test_edits_at_the_same_time_lose_nothing(world: World) -> None:
    assert user(world, "add", "batch", "--login", "osuser").returncode == 0
    state = ["--state", str(world.home / "state")]
    commands = [
        *(["allow", "batch", "--module", f"module-{number}"] for number in range(5)),
        *(["add", f"user-{number}", "--login", "osuser"] for number in range(3)),
        ["allow", "batch", "--code"],
        ["allow", "batch", "--script"],
    ]
    running = [
        subprocess.Popen([HEADLESS, "user", *command, *state], env=world.environment, cwd="/") for command in commands
    ]
    assert [process.wait(60 * TIME_SCALE) for process in running] == [0] * len(commands)
    rows = {row["name"]: row for row in listed(world)}
    assert set(rows) == {"batch", *(f"user-{number}" for number in range(3))}
    assert set(rows["batch"]["modules"]) == {f"module-{number}" for number in range(5)}
    assert rows["batch"]["code"] and rows["batch"]["scripts"]


def test_the_list_shows_what_each_may_and_never_a_secret(world: World) -> None:
    user(world, "add", "batch", "--allow-module", "nightly-*", "--allow-code", "--password-stdin", stdin=b"x")
    user(world, "add", "host", "--subject", "DNS:host.example.org", "--run-as", "nobody")
    user(world, "disable", "host")
    text = user(world, "list").stdout.decode()
    assert [line.split() for line in text.splitlines()] == [
        ["batch", "challenge", "nightly-*", "code"],
        ["host", "x509", "(nothing)", "as", "nobody", "disabled"],
    ]
    rows = listed(world)
    assert [row["name"] for row in rows] == ["batch", "host"]
    assert not {"secret", "stored_key", "bcrypt_salt"} & {key for row in rows for key in row}


def test_a_new_login_type_follows_from_what_is_allowed(world: World) -> None:
    user(world, "add", "batch", "--password-stdin", stdin=b"x")
    user(world, "allow", "batch", "--subject", "CN=batch", "--os-user", "cron")
    (row,) = listed(world)
    assert row["logins"] == ["challenge", "x509", "osuser"]
    assert (row["subjects"], row["os_user"]) == (["CN=batch"], "cron")


def test_help_of_a_command_ends_with_its_exit_status(world: World) -> None:
    for command in ("add", "list", "deny"):
        done = world.run("user", command, "--help")
        assert done.returncode == 0
        assert done.stdout.decode().rstrip().endswith("Exit status: 0 done, 2 nothing was changed.")


def test_nothing_of_a_secret_is_ever_on_a_command_line_or_in_the_environment(world: World) -> None:
    """The only ways in are standard input and a file: there is no option that takes a password."""
    text = world.run("user", "add", "--help").stdout.decode()
    assert "--password-stdin" in text and "--password " not in text and "--secret " not in text
    assert not list(Path(world.home).glob("*.secret"))
