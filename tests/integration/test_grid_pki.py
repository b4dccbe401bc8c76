"""The certificates of a grid of one's own: files that OpenSSL and both clients take."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from grid_raw import open_session
from grid_support import GridServer, GridUser
from headless.grid.serve.removals import Removals
from support import HEADLESS, TIME_SCALE, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridServer]:
    """A running grid."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        yield server.start()


def pki(server: GridServer, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run ``headless grid pki``."""
    return subprocess.run(
        [HEADLESS, "grid", "pki", "--state", str(server.state), *words],
        env={"HOME": str(server.folder), "PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True, check=False,
        timeout=60 * TIME_SCALE,
    )  # fmt: skip


def openssl(*words: str) -> str:
    """What the real program says."""
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.peer("openssl")
def test_a_users_files(server: GridServer, tmp_path: Path) -> None:
    done = pki(server, "user", "anna", "--out", str(tmp_path / "out"), "--days", "7")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    out = tmp_path / "out"
    assert stat.S_IMODE(os.stat(out / "userkey.pem").st_mode) == 0o400
    assert (out / "userkey.pem").read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    name = openssl("x509", "-hash", "-noout", "-in", str(out / "certificates" / "ca.pem"))
    assert (out / "certificates" / f"{name}.0").read_bytes() == (server.state / "pki" / "ca.pem").read_bytes()
    shown = openssl("verify", "-CApath", str(out / "certificates"), str(out / "usercert.pem"))
    assert shown.endswith(": OK")
    openssl("x509", "-checkend", str(6 * 86400), "-noout", "-in", str(out / "usercert.pem"))
    assert not [path for path in out.rglob("*") if path.suffix == ".tmp"]


def test_what_is_of_another_grid_is_not_overwritten(server: GridServer, tmp_path: Path) -> None:
    with GridServer(tmp_path / "other") as other:
        out = str(tmp_path / "out")
        for kind in ("user", "host"):
            words = [kind, *(["dora"] if kind == "user" else []), "--out", out]
            first = pki(server, *words)
            assert (first.returncode, first.stderr) == (0, "")
            before = _read_all(tmp_path / "out")
            done = pki(other, *words)
            assert (done.returncode, done.stderr.count("\n")) == (2, 1)
            assert "ca.pem is not of this grid, and is left as it is: choose another folder" in done.stderr
            assert _read_all(tmp_path / "out") == before
            assert pki(server, *words).returncode == 0  # their own may be renewed
            assert _read_all(tmp_path / "out").keys() == before.keys()
        shutil.rmtree(tmp_path / "out" / "certificates")
        assert "usercert.pem is not of this grid" in pki(other, "user", "dora", "--out", out).stderr
        (tmp_path / "out" / "usercert.pem").unlink()
        assert "userkey.pem is not of this grid" in pki(server, "user", "dora", "--out", out).stderr
        assert not (other.state / "register").exists()  # nobody is made who then has no certificate


def _read_all(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_both_clients_take_the_folder_of_authorities(server: GridServer) -> None:
    user = server.add_user("berta")
    folder = {"X509_CERT_DIR": str(user.home / ".globus" / "certificates")}
    variables = {name: value for name, value in user.variables.items() if name != "X509_CERT_FILE"}
    ours = user.world.run("grid", "pwd", environment={**variables, **folder})
    assert (ours.returncode, ours.stdout) == (0, b"/grid/user/b/berta/\n"), ours.stderr
    theirs = _WithFolder(user).alien("pwd")
    assert (theirs.returncode, theirs.stdout.split()) == (0, [b"/grid/user/b/berta/"]), theirs.stderr


class _WithFolder(GridUser):
    """The same user, whose authorities are in a folder."""

    def __init__(self, user: GridUser) -> None:
        super().__init__(user.server, user.home)

    @property
    def variables(self) -> dict[str, str]:
        """With ``X509_CERT_DIR`` alone."""
        found = super().variables
        del found["X509_CERT_FILE"]
        return {**found, "X509_CERT_DIR": str(self.home / ".globus" / "certificates")}


def test_a_user_of_a_running_server_gets_a_new_certificate_and_roles(server: GridServer) -> None:
    user = server.add_user("carla", "first")
    with open_session(user) as session:
        assert session.rows("whoami")[0]["roles"] == "carla,first"
    before = (user.home / ".globus" / "userkey.pem").read_bytes()
    out = str(user.home / ".globus")
    assert pki(server, "user", "carla", "--out", out).returncode == 0
    assert (user.home / ".globus" / "userkey.pem").read_bytes() != before
    with open_session(user) as session:
        assert session.rows("whoami")[0]["roles"] == "carla,first"  # not said: as they were
    done = pki(server, "user", "carla", "--out", out, "--role", "admin", "--full-name", "C. D.", "--email", "c@d.e")
    assert done.returncode == 0
    with open_session(user) as session:
        (row,) = session.rows("whoami", "-v")
        assert (row["roles"], row["fullname"], row["email"]) == ("carla,admin", "C. D.", "c@d.e")
        session.rows("mkdir", "/top")


@pytest.mark.peer("openssl")
def test_a_hosts_certificate(server: GridServer, tmp_path: Path) -> None:
    done = pki(server, "host", "--host", "grid.example", "--host", "192.0.2.7", "--out", str(tmp_path), "--days", "3")
    assert (done.returncode, done.stderr) == (0, "")
    text = openssl("x509", "-noout", "-ext", "subjectAltName", "-in", str(tmp_path / "hostcert.pem"))
    assert "DNS:grid.example" in text
    assert "IP Address:192.0.2.7" in text
    assert stat.S_IMODE(os.stat(tmp_path / "hostkey.pem").st_mode) == 0o400


@pytest.mark.peer("openssl")
def test_the_servers_own_certificate_keeps_localhost(tmp_path: Path) -> None:
    with GridServer(tmp_path) as server:
        user = server.add_user("anna")
        assert pki(server, "host", "--host", "grid.example").returncode == 0
        text = openssl("x509", "-noout", "-ext", "subjectAltName", "-in", str(server.state / "pki" / "host.pem"))
        assert all(f"DNS:{name}" in text for name in ("grid.example", "localhost"))
        server.start()
        assert user.run("whoami").stdout == b"anna\n"


@pytest.mark.parametrize("words", [
    ["user", "../evil", "--out", "/tmp/never"], ["user", "", "--out", "/tmp/never"],
    ["user", "a\nb", "--out", "/tmp/never"], ["user", "x" * 33, "--out", "/tmp/never"],
    ["user", "anna", "--role", "a/b", "--out", "/tmp/never"], ["user", "anna", "--days", "0", "--out", "/tmp/never"],
    ["user", "anna", "--out", "/dev/null/x"], ["host", "--host", "a b"], ["init"],
])  # fmt: skip
def test_what_is_refused(server: GridServer, words: list[str]) -> None:
    done = pki(server, *words)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 or done.stderr.startswith("Usage")
    assert not os.path.exists("/tmp/never")


def test_a_disk_that_is_full_is_named(server: GridServer, tmp_path: Path) -> None:
    words = [HEADLESS, "grid", "pki", "--state", str(server.state), "user", "late", "--out", str(tmp_path / "late")]
    full = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words]
    done = subprocess.run(full, env={"HOME": "/"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2, f"headless: {tmp_path / 'late'}: File too large: choose another folder\n"
    )  # fmt: skip


def test_no_authority(tmp_path: Path) -> None:
    words = [HEADLESS, "grid", "pki", "--state", str(tmp_path / "none"), "user", "anna", "--out", str(tmp_path)]
    done = subprocess.run(
        words, env={"HOME": "/"}, capture_output=True, text=True, check=False, timeout=60 * TIME_SCALE
    )
    assert done.returncode == 2
    assert "headless grid pki init" in done.stderr


def test_a_removed_user_gets_in_no_more_and_may_be_made_again(server: GridServer) -> None:
    user = server.add_user("gone")
    assert user.run("mkdir x").returncode == 0
    assert user.run("token-init").returncode == 0
    assert pki(server, "remove", "gone").returncode == 0
    refused = user.run("pwd")
    assert (refused.returncode, refused.stdout) == (129, b"")
    assert pki(server, "user", "gone", "--out", str(user.home / ".globus")).returncode == 0
    assert user.run("ls").stdout == b"x/\n"


def test_what_was_issued_before_a_removal_stays_refused(server: GridServer) -> None:
    user = server.add_user("robbed", "jobs")
    assert user.run("token-init").returncode == 0
    keys = {name: user.variables[name] for name in ("X509_USER_CERT", "X509_USER_KEY")}
    tokens = {name: user.variables[name] for name in ("JALIEN_TOKEN_CERT", "JALIEN_TOKEN_KEY")}
    stolen = user.home / "stolen"
    for variables in (keys, tokens):
        for name, path in variables.items():
            stolen.mkdir(exist_ok=True)
            variables[name] = str(shutil.copy(path, stolen / name))
    nothing = {name: f"/nonexistent/{name}" for name in tokens}
    without = {name: f"/nonexistent/{name}" for name in keys}
    assert user.run("whoami", environment={**keys, **nothing}).stdout == b"robbed\n"
    assert user.run("whoami", environment={**tokens, **without}).stdout == b"robbed\n"
    os.unlink(user.variables["JALIEN_TOKEN_CERT"])
    assert pki(server, "remove", "robbed").returncode == 0
    assert pki(server, "user", "robbed", "--role", "jobs", "--out", str(user.home / ".globus")).returncode == 0
    for _ in range(2):  # the second time of a server that was started again
        assert user.run("whoami", environment={**keys, **nothing}).returncode == 129
        assert user.run("whoami", environment={**tokens, **without}).returncode == 129
        done = user.run("token-init")
        assert done.returncode == 0, done.stderr
        assert user.run("whoami", environment=without).stdout == b"robbed\n"  # with the new token
        server.stop()
        server.start()
    assert "refused user=robbed reason='of before its removal' serial=" in server.log


def test_a_catalogue_of_before_a_removal_lets_nobody_back_in(tmp_path: Path) -> None:
    with GridServer(tmp_path) as server:
        user = server.add_user("former")
        server.start().stop()
        shutil.copy(server.state / "catalogue.db", tmp_path / "copy")
        server.start()
        assert pki(server, "remove", "former").returncode == 0
        assert user.run("pwd").returncode == 129
        server.stop()
        shutil.copy(tmp_path / "copy", server.state / "catalogue.db")
        server.start()
        assert user.run("pwd").returncode == 129
        assert "refused user=former reason='of before its removal'" in server.log


def test_a_session_of_before_a_removal_gets_no_token_that_would_be_good_after_it(server: GridServer) -> None:
    user = server.add_user("racer")
    with open_session(user) as session:
        assert session.code("token") == 0
        Removals(str(server.state / "pki")).note("racer")  # which the server has not seen yet
        assert session.code("token") == 1


def test_who_is_no_user_cannot_be_removed(server: GridServer) -> None:
    pki(server, "user", "emil", "--out", str(server.folder / "emil"))
    wrong = pki(server, "remove", "emill")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "headless: there is no user emill: emil is meant?\n"
    assert pki(server, "remove", "emil").returncode == 0
    assert pki(server, "remove", "emil").returncode == 2
    assert not (server.state / "pki" / "removed" / "emill").exists()


def test_who_is_there_is_known_before_the_first_start_and_told_as_unknown_of_an_old_state(tmp_path: Path) -> None:
    with GridServer(tmp_path) as server:
        assert pki(server, "remove", "fred").returncode == 2
        assert pki(server, "user", "fred", "--out", str(tmp_path / "fred")).returncode == 0
        assert pki(server, "remove", "fred").returncode == 0
        server.start()
        server.stop()
        assert pki(server, "remove", "fred").returncode == 2
        (server.state / "register" / "users").unlink()  # as a server of an older version leaves it
        done = pki(server, "remove", "fred")
        assert (done.returncode, done.stderr.count("\n")) == (0, 1)
        assert "whether there is a user fred is not known" in done.stderr


def test_open_sessions_of_a_removed_user_are_ended(server: GridServer) -> None:
    user, other = server.add_user("leaver"), server.add_user("stayer")
    with open_session(user) as session, open_session(user) as idle, open_session(other) as stays:
        session.rows("pwd")
        assert pki(server, "remove", "leaver").returncode == 0
        for over in (session, idle):
            with pytest.raises(ConnectionClosed) as raised:
                over.connection.recv(30 * TIME_SCALE)
            assert raised.value.rcvd is not None
            assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1008, "the user was removed")
        assert stays.lines("whoami") == ["stayer"]
    assert "sessions-ended user=leaver count=2" in server.log


def test_open_sessions_follow_the_roles_of_their_user(server: GridServer) -> None:
    user, boss = server.add_user("mover", "shift"), server.add_user("boss", "admin")

    def change(name: str, *roles: str) -> None:
        words = [word for role in roles for word in ("--role", role)]
        done = pki(server, "user", name, "--out", str(server.folder / "again" / name), *words)
        assert done.returncode == 0, done.stderr

    with open_session(user) as session, open_session(boss) as master:
        session.rows("user", "shift")
        master.rows("user", "mover")
        change("mover", "jobs")
        wait_for(lambda: session.rows("whoami")[0]["roles"] == "mover,jobs", "the new roles")
        assert session.rows("whoami")[0]["role"] == "mover"
        change("boss", "jobs")
        wait_for(lambda: master.rows("whoami")[0]["username"] == "boss", "an administrator who is none any more")
        assert master.code("user", "mover") == 1
