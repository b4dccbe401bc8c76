"""The first run at a terminal: who is asked what, and when the secret file comes into being."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from launch_support import Terminal, fake_server
from support import TIME_SCALE, Server, World, open_world

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the user ``batch``, who has a password and no secret file."""
    with open_world() as world:
        server = world.serve()
        mapping = ["--run-as", "root"] if os.geteuid() == 0 else []
        server.user("add", "batch", "--allow-code", *mapping, "--password-stdin", stdin=PASSWORD.encode())
        yield server


@pytest.fixture
def secret(server: Server) -> Iterator[Path]:
    """Where the secret file is to be; not there yet."""
    path = server.world.home / "keys" / "secret"
    yield path
    shutil.rmtree(path.parent, ignore_errors=True)


def launch(server: Server, secret: Path, *options: str) -> Terminal:
    """A launch at a terminal."""
    return Terminal(server.world, "-s", server.service, "-u", "batch", "-p", str(secret), "-c", "pass", *options)


def confirm(server: Server, terminal: Terminal, answer: str = "yes") -> None:
    """Compare the fingerprint with the server's log, as a person should, and answer."""
    fingerprint = server.wait_log(r"action=certificate .*sha256=([0-9A-F:]{95})")[1]
    terminal.expect(f"The server {server.service} shows a certificate with the SHA-256 fingerprint\n  {fingerprint}\n")
    terminal.expect("Is it the same (yes/no)? ")
    terminal.type(answer + "\n")


def launch_to_password(server: Server, secret: Path) -> Terminal:
    """A first run that has come to its question for the password."""
    terminal = launch(server, secret)
    confirm(server, terminal)
    terminal.expect("Password of batch: ")
    return terminal


def test_the_first_run_makes_the_file_and_the_second_uses_it(server: Server, secret: Path) -> None:
    terminal = launch(server, secret, "-t", "-1", "-v")
    confirm(server, terminal)
    assert not secret.exists()
    terminal.expect("Password of batch: ")
    terminal.type(PASSWORD + "\n")
    terminal.expect(f"headless: secret file {secret} created\n")
    assert terminal.finish() == 0
    assert PASSWORD not in terminal.text
    assert stat.S_IMODE(secret.stat().st_mode) == 0o400
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    text = secret.read_bytes()
    assert bcrypt.checkpw(PASSWORD.encode(), text.rstrip(b"\n"))
    assert text.decode().rstrip() not in terminal.text
    done = server.world.run("-s", server.service, "-u", "batch", "-p", str(secret), "-c", "pass", "-t", "-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_certificate_that_nobody_confirms_ends_it(server: Server, secret: Path) -> None:
    for answer in ("no", "", "y", "yes please"):
        terminal = launch(server, secret)
        confirm(server, terminal, answer)
        assert terminal.finish() == 5
        assert terminal.text.endswith("the certificate was not confirmed: no secret file was made\n")
        assert "Password" not in terminal.text
    assert not secret.parent.exists()


def test_a_wrong_password_leaves_no_file(server: Server, secret: Path) -> None:
    terminal = launch_to_password(server, secret)
    terminal.type("wrong\n")
    assert terminal.finish() == 5
    assert terminal.text.endswith("unknown user, wrong secret, or user disabled: no secret file was made\n")
    assert not secret.parent.exists()


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("\n", "the password is empty: type at least one character"),
        ("x" * 73 + "\n", "the password has 73 bytes, bcrypt takes at most 72: choose a shorter one"),
        ("a\x16\x00b\n", "the password holds a NUL character: choose another one"),  # ^V takes the next key literally
        ("\x04", "no password was typed: no secret file was made"),  # ^D at the line's start is the end
    ],
)
def test_a_password_of_no_use_is_refused_in_words(server: Server, secret: Path, keys: str, reason: str) -> None:
    terminal = launch_to_password(server, secret)
    terminal.type(keys)
    assert terminal.finish() == 2
    assert terminal.text.endswith(f"headless: {reason}\n")
    assert not secret.parent.exists()


def test_control_c_at_the_password_ends_by_that_signal(server: Server, secret: Path) -> None:
    terminal = launch_to_password(server, secret)
    terminal.type("half\x03")
    assert terminal.finish() == 130
    assert terminal.text.endswith("headless: ended by SIGINT: nothing was started\n")
    assert not secret.parent.exists()


def test_a_person_may_take_longer_than_a_login_may(world: World) -> None:
    server = world.serve("--login-timeout", f"{3 * TIME_SCALE:g}")
    mapping = ["--run-as", "root"] if os.geteuid() == 0 else []
    server.user("add", "batch", "--allow-code", *mapping, "--password-stdin", stdin=PASSWORD.encode())
    secret = world.home / "secret"
    terminal = launch(server, secret, "-t", "-1")
    confirm(server, terminal)
    terminal.expect("Password of batch: ")
    time.sleep(3.5 * TIME_SCALE)  # the server's limit, and a little
    terminal.type(PASSWORD + "\n")
    assert terminal.finish() == 0
    assert secret.exists()


def test_a_place_that_others_can_write_is_refused_before_anybody_types(server: Server, secret: Path) -> None:
    secret.parent.mkdir()
    secret.parent.chmod(0o777)
    terminal = launch(server, secret)
    assert terminal.finish() == 2
    assert f"others may write its folder {secret.parent}: chmod go-w {secret.parent}\n" in terminal.text


def test_what_stands_there_already_is_never_replaced(server: Server, secret: Path) -> None:
    terminal = launch_to_password(server, secret)
    secret.parent.mkdir(mode=0o700)
    secret.write_text("somebody was faster\n")
    terminal.type(PASSWORD + "\n")
    assert terminal.finish() == 2
    assert "exists already: remove it first" in terminal.text
    assert secret.read_text() == "somebody was faster\n"


def test_without_a_terminal_nobody_is_asked(server: Server, secret: Path) -> None:
    done = server.world.run("-s", server.service, "-u", "batch", "-p", str(secret), "-c", "pass", stdin=b"yes\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is missing: run this once at a terminal to create it" in done.stderr
    assert not secret.parent.exists()


@pytest.mark.parametrize("cost", ["04", "09", "17", "31"])
def test_a_server_that_asks_for_a_cheap_hash_gets_none(world: World, cost: str) -> None:
    salt = f"$2b${cost}$foUnLUEMk9T/T79yieoE/."
    path, secret = world.home / "fake.sock", world.home / "secret"
    with fake_server(str(path), {"login.salt": {"salt": salt}}) as called:
        terminal = Terminal(world, "-s", f"unix:{path}", "-a", "challenge", "-u", "me", "-p", str(secret), "-c", "pass")
        assert terminal.finish() == 2
    assert "allowed are 10 to 16: do not trust this server\n" in terminal.text
    assert "Password" not in terminal.text
    assert called == ["login.salt"]
    assert not secret.exists()
