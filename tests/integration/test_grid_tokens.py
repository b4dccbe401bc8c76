"""Tokens: made by the grid, used by alien.py and by hand, and refused when they are over."""

import datetime
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from websockets.exceptions import InvalidStatus, WebSocketException

from grid_support import GridServer, GridUser
from grid_talk import Talk
from headless.grid.serve.pki import Authority
from headless.grid.serve.tokens import TokenSubject
from support import TIME_SCALE, wait_for


@dataclass(frozen=True)
class Token:
    """A token in files."""

    certificate: Path
    key: Path

    @property
    def parsed(self) -> x509.Certificate:
        """What it says."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    @property
    def days(self) -> float:
        """For which it is valid from now."""
        return (self.parsed.not_valid_after_utc - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1)

    def talk(self, user: GridUser) -> Talk:
        """Log in with it."""
        return Talk(user, str(self.certificate), str(self.key))


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, GridUser]]:
    """A grid's users: tester, boss, who is an administrator, and gone, who will be deleted."""
    with GridServer(tmp_path_factory.mktemp("grid"), "--run-as", "root") as server:
        users = {"tester": server.add_user("tester", "jobs"), "boss": server.add_user("boss", "admin")}
        users["gone"] = server.add_user("gone")
        server.start()
        yield users


def _take(talk: Talk, folder: Path, *options: str) -> Token:
    (row,) = talk.ask("token", *options)
    return _write(folder, row["tokencert"].encode(), row["tokenkey"].encode())


def _write(folder: Path, certificate: bytes, key: bytes) -> Token:
    (folder / "token.pem").write_bytes(certificate)
    (folder / "token.key").write_bytes(key)
    return Token(folder / "token.pem", folder / "token.key")


def test_the_real_alien_py_makes_a_token_and_comes_with_it(users: dict[str, GridUser]) -> None:
    user = users["tester"]
    made = user.alien("token-init")
    assert made.returncode == 0
    assert b"C=ch/O=AliEn2/CN=Users/CN=tester/OU=tester" in made.stdout
    assert b"CN=tester" in user.alien("token-info").stdout
    nothing = {"X509_USER_CERT": "/nonexistent", "X509_USER_KEY": "/nonexistent"}
    came = user.alien("pwd", environment=nothing)
    assert (came.returncode, came.stdout) == (0, b"/grid/user/t/tester/\n"), came


def test_a_token_logs_in_whom_it_names(users: dict[str, GridUser], tmp_path: Path) -> None:
    with Talk(users["tester"]) as talk:
        token = _take(talk, tmp_path)
    assert token.key.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert token.parsed.subject.rfc4514_string() == "OU=tester,CN=tester,CN=Users,O=AliEn2,C=ch"
    assert 30.9 < token.days < 31.01
    with token.talk(users["tester"]) as talk:
        assert talk.ask("whoami")[0]["username"] == "tester"


def test_no_token_outlives_what_it_was_made_with(users: dict[str, GridUser], tmp_path: Path) -> None:
    with Talk(users["tester"]) as talk:
        short = _take(talk, tmp_path, "-v", "1")
        assert 0.9 < short.days < 1.01
        short_end = short.parsed.not_valid_after_utc
        said = talk.run("token", "-v", "99")
        assert said.code == 0
        assert "31 days at most" in said.error
    with short.talk(users["tester"]) as talk:
        later = _take(talk, tmp_path, "-v", "20")
    assert later.parsed.not_valid_after_utc <= short_end


def test_a_jobs_token_stays_its_jobs(users: dict[str, GridUser], tmp_path: Path) -> None:
    with Talk(users["tester"]) as talk:
        job = talk.ask("submit", 'Executable = "/bin/sleep"; Arguments = "300";')[0]["jobId"]
        token = _take(talk, tmp_path, "-t", "job", "-jobid", job)
        assert f"OU=queueid={job}" in token.parsed.subject.rfc4514_string()
        assert token.days < 2.01
        wait_for(lambda: "RUNNING" in str(talk.ask("ps", "-j", job, "-trace")), "the job runs", 20)
        with token.talk(users["tester"]) as inside:
            assert inside.run("token").code == 1
            assert inside.run("token", "-t", "job", "-jobid", job + "1").code == 1
            assert inside.run("token", "-t", "job", "-jobid", job).code == 0
            talk.ask("kill", job)
            wait_for(lambda: "KILLED" in str(talk.ask("ps", "-j", job)), "the job ends", 30)
            with pytest.raises(WebSocketException):
                inside.run("rm", "-r", "~/kept")  # the session does not outlive the job


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("-u", "boss"), 1),
        (("-t", "host", "-hostname", "node"), 1),
        (("-t", "jobagent"), 1),
        (("-t", "king"), 22),
        (("-t", "job"), 22),
        (("-v", "0"), 22),
    ],
)
def test_what_a_user_does_not_get(users: dict[str, GridUser], options: tuple[str, ...], code: int) -> None:
    with Talk(users["tester"]) as talk:
        said = talk.run("token", *options)
    assert (said.code, said.rows) == (code, [])


def test_an_administrator_makes_tokens_of_others_and_of_hosts(users: dict[str, GridUser], tmp_path: Path) -> None:
    with Talk(users["boss"]) as talk:
        host = _take(talk, tmp_path, "-t", "host", "-hostname", "node.example")
        assert host.days > 360
        names = host.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "node.example" in names.get_values_for_type(x509.DNSName)
        with pytest.raises(InvalidStatus, match="401"):
            host.talk(users["boss"])
        token = _take(talk, tmp_path, "-u", "tester")
        assert talk.run("token", "-u", "nobody").code == 2
        wrong = ("h" * 65, "n\u00f6de", "a b")  # none of which a certificate could have
        assert [talk.run("token", "-t", "host", "-hostname", name).code for name in wrong] == [22, 22, 22]
    with token.talk(users["tester"]) as talk:
        assert talk.ask("whoami")[0]["username"] == "tester"


def test_an_expired_token_is_refused(users: dict[str, GridUser], tmp_path: Path) -> None:
    authority = Authority.open(str(users["tester"].server.state / "pki"))
    subject = TokenSubject("user", "tester", "tester").build()
    token = _write(tmp_path, *authority.issue(subject, datetime.timedelta(minutes=-1), []))
    with pytest.raises((OSError, WebSocketException)), token.talk(users["tester"]) as talk:
        talk.ask("pwd")


@pytest.mark.parametrize("subject", [("user", "tester", "admin"), ("user", "nobody", "nobody")])
def test_a_role_or_user_that_is_none_is_refused(
    users: dict[str, GridUser], tmp_path: Path, subject: tuple[str, str, str]
) -> None:
    authority = Authority.open(str(users["tester"].server.state / "pki"))
    token = _write(tmp_path, *authority.issue(TokenSubject(*subject).build(), datetime.timedelta(days=1), []))
    with pytest.raises(InvalidStatus, match="401"):
        token.talk(users["tester"])


def test_the_token_of_a_deleted_user_is_refused(users: dict[str, GridUser], tmp_path: Path) -> None:
    with Talk(users["gone"]) as talk:
        token = _take(talk, tmp_path)
    with sqlite3.connect(users["gone"].server.state / "catalogue.db", timeout=10 * TIME_SCALE) as database:
        database.execute("delete from grid_users where name = 'gone'")
    database.close()
    with pytest.raises(InvalidStatus, match="401"):
        token.talk(users["gone"])
