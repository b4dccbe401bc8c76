"""Certificates, keys and tokens of the grid's client: which are taken, which refused, and what is written."""

import datetime
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from authority import Authority as Strangers
from grid_support import GridServer, GridUser
from headless.grid.serve.pki import Authority, name_user
from launch_support import Terminal
from support import World

HOME = b"/grid/user/t/tester/\n"
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridServer]:
    """A running grid, whose user is called tester."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        server.add_user("tester")
        yield server.start()


@pytest.fixture
def user(server: GridServer, tmp_path: Path) -> GridUser:
    """Its user, in a home without a token."""
    (tmp_path / "tmp").mkdir(mode=0o700)
    folder = tmp_path / ".globus"
    folder.mkdir()
    for name in ("usercert.pem", "userkey.pem"):
        (folder / name).write_bytes((server.folder / "tester" / ".globus" / name).read_bytes())
        (folder / name).chmod(0o400)
    return GridUser(server, tmp_path)


def issue(user: GridUser, lifetime: datetime.timedelta, name: str = "tester") -> dict[str, str]:
    """Another certificate of the grid's authority, as the user's; the variables that name it."""
    pair = Authority.open(str(user.server.state / "pki")).issue(name_user(name), lifetime, [])
    return install(user, *pair)


def install(user: GridUser, certificate: bytes, key: bytes) -> dict[str, str]:
    paths = {"X509_USER_CERT": user.home / "other.pem", "X509_USER_KEY": user.home / "other.key"}
    for path, data in zip(paths.values(), (certificate, key), strict=True):
        path.write_bytes(data)
        path.chmod(0o400)
    return {name: str(path) for name, path in paths.items()}


def token_files(user: GridUser) -> list[Path]:
    return [Path(user.variables[name]) for name in ("JALIEN_TOKEN_CERT", "JALIEN_TOKEN_KEY")]


def test_the_first_login_leaves_a_token_that_the_next_one_uses(user: GridUser) -> None:
    assert user.run("pwd").stdout == HOME
    for path in token_files(user):
        status = path.lstat()
        assert stat.S_IMODE(status.st_mode) == 0o400
        assert stat.S_ISREG(status.st_mode)
    before = [path.read_bytes() for path in token_files(user)]
    assert sorted(os.listdir(user.home / "tmp")) == sorted(path.name for path in token_files(user))
    nowhere = {"X509_USER_CERT": "/nowhere", "X509_USER_KEY": "/nowhere"}
    assert user.run("pwd", environment=nowhere).stdout == HOME
    assert user.run("pwd").stdout == HOME
    assert [path.read_bytes() for path in token_files(user)] == before  # not made anew on every run
    assert user.alien("token-info").stdout == user.run("token-info").stdout  # and alien.py reads it


def test_a_link_at_the_tokens_name_is_replaced_and_not_followed(user: GridUser) -> None:
    victim = user.home / "victim"
    victim.write_text("mine")
    for path in token_files(user):
        path.symlink_to(victim)
    dangling = user.home / "made by nobody"
    assert user.run("pwd").stdout == HOME
    assert victim.read_text() == "mine"
    assert not dangling.exists()
    assert not any(path.is_symlink() for path in token_files(user))


def test_a_folder_where_others_could_plant_a_token_gets_none(user: GridUser) -> None:
    (user.home / "tmp").chmod(0o777)
    assert user.run("pwd").stdout == HOME
    done = user.run("token-init")
    assert (done.returncode, done.stdout) == (22, b"")
    assert f"chmod go-w {user.home}/tmp" in done.stderr.decode()
    (user.home / "tmp").chmod(0o1777)
    assert user.run("token-init").returncode == 0


def test_a_token_near_its_end_is_renewed_ahead(user: GridUser) -> None:
    """It was made for 31 days and has one left: good enough for a login, not for an unattended month."""
    assert user.run("token-init", "-v", "1").returncode == 0
    short = [path.read_bytes() for path in token_files(user)]
    assert user.run("pwd").returncode == 0
    assert [path.read_bytes() for path in token_files(user)] == short  # a whole day of a day
    old = Authority.open(str(user.server.state / "pki"))
    for path, data in zip(token_files(user), old.issue(name_user("tester"), 0.3 * HOUR, []), strict=True):
        path.chmod(0o600)
        path.write_bytes(data)
        path.chmod(0o400)
    old_pair = [path.read_bytes() for path in token_files(user)]
    assert user.run("pwd").stdout == HOME
    assert [path.read_bytes() for path in token_files(user)] != old_pair


def test_the_users_own_certificate_under_the_tokens_name_is_never_written_over(user: GridUser) -> None:
    variables = issue(user, 0.3 * HOUR)
    names = {"JALIEN_TOKEN_CERT": variables["X509_USER_CERT"], "JALIEN_TOKEN_KEY": variables["X509_USER_KEY"]}
    before = {path: Path(path).read_bytes() for path in variables.values()}
    assert user.run("pwd", environment=variables | names).stdout == HOME
    for command in ("token-init", "token-destroy"):
        assert user.run(command, environment=variables | names).returncode == 22
    assert {path: Path(path).read_bytes() for path in variables.values()} == before


def test_certificates_may_come_as_text(user: GridUser) -> None:
    texts = {name: Path(user.variables[name]).read_text() for name in ("X509_USER_CERT", "X509_USER_KEY")}
    assert user.run("pwd", environment=texts).stdout == HOME
    tokens = {name: Path(user.variables[name]).read_text() for name in ("JALIEN_TOKEN_CERT", "JALIEN_TOKEN_KEY")}
    for path in token_files(user):
        path.unlink()
    assert user.run("pwd", environment={**tokens, "X509_USER_CERT": "/nowhere"}).stdout == HOME
    assert os.listdir(user.home / "tmp") == []


def test_a_token_that_is_written_by_another_run_meanwhile_is_not_missed(user: GridUser) -> None:
    """Its two files do not match for a moment, or for good."""
    assert user.run("pwd").returncode == 0
    key = token_files(user)[1]
    key.chmod(0o600)
    key.write_bytes((user.home / ".globus" / "userkey.pem").read_bytes())
    key.chmod(0o400)
    assert user.run("pwd").stdout == HOME
    assert user.run("tokenkey-match").returncode == 0


def test_token_commands(user: GridUser) -> None:
    assert user.run("token-init", "-v", "3").returncode == 0
    info = user.run("token-info").stdout
    assert info.startswith(b"DN >>> C=ch/O=AliEn2/CN=Users/CN=tester/OU=tester\nISSUER >>> ")
    assert user.run("token-verify").returncode == 0
    refused = user.run("token-init", "-t", "host")
    assert refused.returncode == 1  # and not 0 with the old token printed
    assert b"for administrators" in refused.stderr
    assert user.run("token-info").stdout == info
    assert user.run("token-destroy").returncode == 0
    assert user.run("token-info").returncode == 2
    assert user.run("cert-info").stdout == user.alien("cert-info").stdout
    assert user.run("certkey-match").stdout == b"Cert/key match!\n"


def test_a_certificate_of_strangers_is_not_verified(user: GridUser, tmp_path: Path) -> None:
    other = Strangers(tmp_path)
    assert user.run("cert-verify").returncode == 0
    done = user.run("cert-verify", environment={"X509_CERT_FILE": other.file})
    assert done.returncode == 129
    assert b"SSL Verification failed" in done.stderr


def check(user: GridUser, code: int, text: str, **variables: str) -> None:
    done = user.run("pwd", environment=variables)
    assert (done.returncode, done.stdout) == (code, b"")
    assert text in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


def test_what_is_wrong_with_a_certificate_is_told_in_a_line(user: GridUser, tmp_path: Path) -> None:
    key = tmp_path / ".globus" / "userkey.pem"
    check(user, 126, "there is no user certificate at /nowhere", X509_USER_CERT="/nowhere")
    check(user, 126, "there is no key of the user certificate at /nowhere", X509_USER_KEY="/nowhere")
    check(user, 22, "holds no certificate in PEM", X509_USER_CERT=str(key))
    check(user, 127, "ends, or ended, at", **issue(user, -HOUR))
    strange = Strangers(tmp_path).issue("tester")
    check(user, 22, "with key", X509_USER_CERT=strange[0])  # which is another's
    check(user, 129, "does not take", X509_USER_CERT=strange[0], X509_USER_KEY=strange[1])
    check(user, 129, "is the user certificate known there?", **issue(user, HOUR, "nobody"))
    key.chmod(0o640)
    check(user, 22, f"is open to others (mode 0640): chmod 400 {key}")
    assert not token_files(user)[0].exists()


def test_what_is_wrong_with_the_server_is_told_in_a_line(user: GridUser, tmp_path: Path) -> None:
    check(user, 107, "not trusted", X509_CERT_FILE=Strangers(tmp_path).file)
    check(user, 22, "cannot be read", X509_CERT_FILE="/nowhere")
    check(user, 22, "X509_CERT_DIR is '/nowhere'", X509_CERT_DIR="/nowhere")
    check(user, 107, "not trusted", ALIENPY_JCENTRAL="127.1")  # an address that its certificate does not name
    unchecked = {"ALIENPY_JCENTRAL": "127.1", "HEADLESS_GRID_NO_HOST_CHECK": "1"}
    assert user.run("pwd", environment=unchecked).stdout == HOME
    check(user, 22, "ALIENPY_TIMEOUT", ALIENPY_TIMEOUT="never")


def test_authorities_in_a_folder(user: GridUser, tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(Path(user.variables["X509_CERT_FILE"]).read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True)
    for name in ("pwd", "cert-verify"):
        done = user.run(name, environment={"X509_CERT_DIR": str(folder), "X509_CERT_FILE": "/nowhere"})
        assert done.returncode == 0, done.stderr


@pytest.fixture
def locked(user: GridUser) -> GridUser:
    """The key has a passphrase."""
    path = user.home / ".globus" / "userkey.pem"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.chmod(0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    path.chmod(0o400)
    return user


def test_a_passphrase_is_never_read_from_a_pipe(locked: GridUser) -> None:
    done = locked.run("pwd", stdin=b"open sesame\n")
    assert (done.returncode, done.stdout) == (22, b"")
    assert b"has a passphrase, and there is no terminal to ask for it" in done.stderr


def test_a_passphrase_is_asked_once_at_a_terminal_and_the_token_needs_none(locked: GridUser) -> None:
    terminal = Terminal(World(locked.home, locked.variables), "grid", "pwd")
    terminal.expect("Passphrase of ")
    terminal.type("open sesame\n")
    terminal.expect("/grid/user/t/tester/")
    assert terminal.finish() == 0
    assert terminal.text.count("Passphrase") == 1
    assert "open sesame" not in terminal.text
    assert locked.run("pwd").stdout == HOME


def test_a_wrong_passphrase_is_told(locked: GridUser) -> None:
    terminal = Terminal(World(locked.home, locked.variables), "grid", "pwd")
    terminal.expect("Passphrase of ")
    terminal.type("close sesame\n")
    assert terminal.finish() == 22
    assert "is its passphrase right?" in terminal.text


def test_a_token_of_another_user_than_the_certificate_is_told_once(user: GridUser) -> None:
    other = user.server.add_user("second")
    variables = {name: value for name, value in other.variables.items() if not name.startswith("JALIEN_TOKEN")}
    shared = {"TMPDIR": user.variables["TMPDIR"]}
    assert user.run("token-init").returncode == 0
    done = other.world.run("grid", "whoami; whoami", environment={**variables, **shared})
    assert (done.returncode, done.stdout) == (0, b"tester\ntester\n")
    assert done.stderr.decode().splitlines() == [
        f"you work as tester: the token {token_files(user)[0]} counts, and not X509_USER_CERT, which is second's;"
        " 'headless grid token-destroy' removes the token, JALIEN_TOKEN_CERT and JALIEN_TOKEN_KEY name another"
    ]
    named = {name: value for name, value in user.variables.items() if name.startswith("JALIEN_TOKEN")}
    assert other.world.run("grid", "whoami", environment={**variables, **named}).stderr == b""  # it was asked for
    own = {name: value for name, value in user.variables.items() if name not in named}
    assert user.world.run("grid", "whoami", environment=own).stderr == b""
