"""The *x509* login: an own authority, real certificates, and each of them that is not to get in."""

import datetime
import os

import pytest
from cryptography import x509

from authority import DAY, Authority
from raw_session import plain_tls, raw_session
from support import Server, World


@pytest.fixture(scope="module")
def authority(home: World) -> Authority:
    return Authority(home.home)


@pytest.fixture(scope="module")
def server(home: World, authority: Authority) -> Server:
    certificate, key = authority.issue_server()
    server = home.serve("--certificate", certificate, "--key", key, "--client-ca", authority.file)
    server.add_user("secret", "--allow-code")
    return server


def add_user(server: Server, name: str, *options: str) -> None:
    mapping = ["--run-as", "root"] if os.geteuid() == 0 else []
    server.user("add", name, *options, "--allow-code", *mapping)


def launch(home: World, server: Server, pair: tuple[str, str], *more: str, ca: str) -> tuple[int, str]:
    certificate, key = pair
    done = home.run(
        "-s", server.service, "-a", "x509", "--cert", certificate, "--key", key, "--ca-file", ca,
        "-c", "pass", "-t", "-1", *more,
    )  # fmt: skip
    lines = done.stderr.decode().splitlines()
    assert len(lines) == (0 if done.returncode == 0 else 1), lines
    return done.returncode, "".join(lines)


@pytest.mark.parametrize(
    ("name", "subject", "alternative"),
    [
        ("by-subject", "CN=by-subject", []),
        ("by-dns", "DNS:host.example.org", [x509.DNSName("host.example.org"), x509.DNSName("other.example.org")]),
        ("by-uri", "URI:spiffe://site/batch", [x509.UniformResourceIdentifier("spiffe://site/batch")]),
        ("by-mail", "email:batch@example.org", [x509.RFC822Name("batch@example.org")]),
    ],
)
def test_a_certificate_logs_in_by_its_subject_or_an_alternative_name(
    home: World, server: Server, authority: Authority, name: str, subject: str, alternative: list[x509.GeneralName]
) -> None:
    pair = authority.issue(name, alternative)
    code, line = launch(home, server, pair, ca=authority.file)
    assert (code, "login refused" in line) == (5, True)  # the authority alone says nothing
    add_user(server, name, "--subject", subject)
    assert launch(home, server, pair, ca=authority.file) == (0, "")
    assert launch(home, server, pair, "-u", name, ca=authority.file) == (0, "")
    code, line = launch(home, server, pair, "-u", "secret", ca=authority.file)
    assert (code, "login refused" in line) == (5, True)
    server.user("disable", name)
    assert launch(home, server, pair, ca=authority.file)[0] == 5


def test_the_login_type_follows_from_the_certificate(home: World, server: Server, authority: Authority) -> None:
    certificate, key = authority.issue("short")
    add_user(server, "short", "--subject", "CN=short")
    done = home.run(
        "-s", server.service, "--cert", certificate, "--key", key, "--ca-file", authority.file, "-c", "pass"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "user=short auth=x509" in server.log


def test_a_certificate_of_an_unknown_authority_is_refused(home: World, server: Server, authority: Authority) -> None:
    stranger = Authority(home.home, "stranger")
    add_user(server, "known", "--subject", "CN=known")
    code, line = launch(home, server, stranger.issue("known"), ca=authority.file)
    assert code == 5, line
    assert "certificate" in line


def test_a_certificate_that_has_expired_is_refused(home: World, server: Server, authority: Authority) -> None:
    add_user(server, "old", "--subject", "CN=old")
    pair = authority.issue("old", lifetime=datetime.timedelta(seconds=-1) - DAY)
    code, line = launch(home, server, pair, ca=authority.file)
    assert code == 5, line
    assert "expired" in line


def test_no_certificate_is_refused_with_what_to_give(server: Server) -> None:
    with raw_session(server.service) as session:
        error = session.error("login.x509", user="secret")
        assert error["data"] == {"exit_code": 5}
        assert "give --cert and --key" in error["message"]


def test_without_a_certificate_the_other_logins_work_as_before(home: World, server: Server) -> None:
    login = ["-s", server.service, "-u", "secret", "-p", str(home.home / "secret.secret")]
    done = home.run(*login, "-c", "pass", "-t", "-1")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_certificate_is_no_login_where_the_server_asks_for_none(home: World, authority: Authority) -> None:
    certificate, key = authority.issue_server("plain")
    server = home.serve("--certificate", certificate, "--key", key)
    add_user(server, "client", "--subject", "CN=client")
    code, line = launch(home, server, authority.issue("client"), ca=authority.file)
    assert (code, "client_ca" in line) == (5, True)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(
    home: World, server: Server, authority: Authority
) -> None:
    code, line = launch(home, server, authority.issue("locked", passphrase=b"secret"), ca=authority.file)
    assert (code, "passphrase" in line) == (2, True)


def test_a_server_that_the_client_cannot_check_gets_no_login(home: World, server: Server, authority: Authority) -> None:
    other = Authority(home.home, "other")
    code, line = launch(home, server, authority.issue("checked"), ca=other.file)
    assert (code, "the server's certificate is not trusted" in line) == (1, True)


def test_a_certificate_of_the_wrong_host_gets_no_login(home: World, authority: Authority) -> None:
    certificate, key = authority.issue("elsewhere", [x509.DNSName("elsewhere.example.org")])
    server = home.serve("--certificate", certificate, "--key", key, "--client-ca", authority.file)
    code, line = launch(home, server, authority.issue("host"), ca=authority.file)
    assert (code, "is not trusted" in line) == (1, True)


def test_what_the_log_says_of_a_certificate_cannot_forge_a_line(
    home: World, server: Server, authority: Authority
) -> None:
    certificate, key = authority.issue("a\nINFO action=login user=root")
    tls = plain_tls()
    tls.load_cert_chain(certificate, key)
    with raw_session(server.service, tls) as session:
        assert session.error("login.x509", user="")["data"] == {"exit_code": 5}
    assert "\nINFO action=login" not in server.log
