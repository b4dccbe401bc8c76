"""The pure parts of the grid's client: names, variables, certificates, what is safe to repeat."""

import os
from pathlib import Path

import pytest

from authority import Authority
from headless.errors import ParameterError
from headless.grid.certificate import read_validity
from headless.grid.names import expand_home, expand_lfn
from headless.grid.repeatable import is_repeatable
from headless.grid.settings import ClientSettings, read_client_settings


@pytest.mark.parametrize(
    ("text", "lfn"),
    [
        ("a", "/g/u/x/a"),
        ("a/", "/g/u/x/a/"),
        (".", "/g/u/x"),
        ("./", "/g/u/x/"),
        ("..", "/g/u"),
        ("../../..//b", "/b"),
        ("../../../../..", "/"),
        ("/", "/"),
        ("//a//b", "/a/b"),
        ("~", "/g/u"),
        ("~/", "/g/u/"),
        ("~/a", "/g/u/a"),
        ("~a", "/g/u/x/~a"),
        ("a~", "/g/u/x/a~"),
        ("%ALIEN", "/g/u"),
        ("/%ALIEN/a", "/g/u/a"),
        ("alien:a", "/g/u/x/a"),
        ("alien:///a", "/a"),
        ("alien:~/a", "/g/u/a"),
        ("a b", "/g/u/x/a b"),
    ],
)
def test_an_lfn_is_made_absolute(text: str, lfn: str) -> None:
    assert expand_lfn(text, "/g/u/", "/g/u/x/") == lfn


@pytest.mark.parametrize(("text", "result"), [("~", "/g/u"), ("~/a", "/g/u/a"), ("..", ".."), ("~~", "~~")])
def test_only_the_home_is_put_into_what_the_server_resolves(text: str, result: str) -> None:
    assert expand_home(text, "/g/u/") == result


def settings(variables: dict[str, str]) -> ClientSettings:
    return read_client_settings({"TMPDIR": "/nowhere", **variables}, "/home/u", os.getuid())


def test_the_defaults_are_those_of_alien_py() -> None:
    ours = settings({})
    assert ours.servers == (("alice-jcentral.cern.ch", 8097),)
    assert ours.user_certificate == "/home/u/.globus/usercert.pem"
    assert ours.token_key == f"/nowhere/tokenkey_{os.getuid()}.pem"
    assert (ours.timeout_s, ours.check_host, ours.format, ours.keeps_directory) == (20, True, "text", True)


def test_a_server_that_is_named_is_the_only_one() -> None:
    assert settings({"ALIENPY_JCENTRAL": "h", "JALIEN_HOST": "j"}).servers == (("h", 8097),)
    named = settings({"ALIENPY_JCENTRAL": "h", "ALIENPY_JCENTRAL_PORT": "1"})
    assert named.servers == (("h", 1),)


def test_a_local_proxy_comes_before_the_central_server_only_if_it_is_ours(tmp_path: Path) -> None:
    central = ("alice-jcentral.cern.ch", 8097)
    place = {"TMPDIR": str(tmp_path), "JALIEN_HOST": "j", "JALIEN_WSPORT": "2"}
    assert settings(place).servers == (("j", 2), central)
    file = tmp_path / f"jclient_token_{os.getuid()}"
    for pid, servers in ((os.getpid(), (("p", 3), central)), (1 << 30, (central,)), ("x", (central,))):
        file.write_text(f"JALIEN_HOST=p\nJALIEN_WSPORT=3\nJALIEN_PID={pid}\n")
        assert settings({"TMPDIR": str(tmp_path)}).servers == servers
    file.unlink()
    file.symlink_to("/dev/zero")
    assert settings({"TMPDIR": str(tmp_path)}).servers == (central,)


@pytest.mark.parametrize(
    "variables",
    [
        {"ALIENPY_JCENTRAL_PORT": "0"},
        {"ALIENPY_JCENTRAL_PORT": "x"},
        {"JALIEN_HOST": "h", "JALIEN_WSPORT": "99999"},
        {"ALIENPY_TIMEOUT": "soon"},
        {"ALIENPY_TIMEOUT": "0"},
        {"ALIENPY_TIMEOUT": "nan"},
        {"ALIENPY_NETWORKSTACK": "5"},
        {"X509_CERT_DIR": "/nowhere/at/all"},
    ],
)
def test_a_variable_of_no_use_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(ParameterError, match=list(variables)[-1]):
        settings(variables)


def test_a_certificates_time_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    from cryptography import x509

    path, _ = Authority(tmp_path).issue("someone")
    text = Path(path).read_text()
    parsed = x509.load_pem_x509_certificate(text.encode())
    validity = read_validity("-----BEGIN RSA PRIVATE KEY-----\nno\n" + text)
    assert validity.begin == parsed.not_valid_before_utc.timestamp()
    assert validity.end == parsed.not_valid_after_utc.timestamp()


@pytest.mark.parametrize("damage", ["", "-----BEGIN CERTIFICATE-----", "cut", "bits", "base64"])
def test_what_is_no_certificate_is_told(damage: str, tmp_path: Path) -> None:
    text = Path(Authority(tmp_path).issue("someone")[0]).read_text()
    if damage == "cut":
        lines = text.splitlines()
        text = "\n".join([*lines[:2], lines[-1]])
    elif damage in ("bits", "base64"):
        text = text.replace(text[30:60], "*" * 30 if damage == "base64" else "/" * 30)
    else:
        text = damage
    with pytest.raises(ValueError, match="holds"):
        read_validity(text)


@pytest.mark.parametrize("line", ["pwd", "ls -l x", "stat x", "find . *", "mkdir -p x", "access read x", "chmod 1 x"])
def test_what_is_safe_to_repeat(line: str) -> None:
    command, *options = line.split()
    assert is_repeatable(command, options)


@pytest.mark.parametrize(
    "line", ["submit x", "rm x", "mv a b", "commit x", "kill 1", "mkdir x", "rmdir x", "masterjob 1 -kill", "any"]
)
def test_what_is_not(line: str) -> None:
    command, *options = line.split()
    assert not is_repeatable(command, options)
