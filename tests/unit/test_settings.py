"""The server's settings: every wrong one is refused in words, and paths are those of the file's folder."""

import os
from dataclasses import MISSING, fields
from typing import Any

import pytest

from headless.errors import ParameterError
from headless.server.hooks.actions import HOOKS
from headless.server.settings import ServerSettings, build_settings, parse_listen, parse_settings
from headless.transport.address import TcpAddress, UnixAddress

ORIGIN = "/etc/headless/server.toml"


def test_every_setting_can_stand_in_the_file() -> None:
    lines = []
    for item in fields(ServerSettings):
        value: Any = item.default if item.default is not MISSING else {"A": "b"}
        text = {True: "true", False: "false"}.get(value, "") if isinstance(value, bool) else repr(value)
        text = '{A = "b"}' if isinstance(value, dict) else '["x"]' if isinstance(value, tuple) else text
        text = '{mail = "ops@example.org"}' if item.name in HOOKS else text
        lines.append(f"{item.name} = {text}")
    values = parse_settings("\n".join(lines), ORIGIN)
    assert set(values) == {item.name for item in fields(ServerSettings)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("liste = ['x']", "unknown setting 'liste': did you mean 'listen'"),
        ("max-script = 1", "unknown setting 'max-script': did you mean 'max_script'"),
        ("qqq = 1", "unknown setting 'qqq': known are certificate,"),
        ("listen = 7443", "'listen' must be a list of texts"),
        ("listen = [1]", "'listen' must be a list of texts"),
        ("state = 1", "'state' must be a text"),
        ("max_script = 1.5", "'max_script' must be a whole number"),
        ("max_script = true", "'max_script' must be a whole number"),
        ("max_script = '1'", "'max_script' must be a whole number"),
        ("grace = '1'", "'grace' must be a number"),
        ("grace = true", "'grace' must be a number"),
        ("shipped_modules = 1", "'shipped_modules' must be true or false"),
        ("environment = 'A=b'", "'environment' must be a table of texts"),
        ("environment = {A = 1}", "'environment' must be a table of texts"),
        ("listen = ", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_a_wrong_line_is_refused_with_the_files_name(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_settings(text, ORIGIN)
    assert str(caught.value).startswith(f"{ORIGIN}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_script": 0}, "'max_script' must be greater than 0"),
        ({"max_stdin": -1}, "'max_stdin' must be greater than 0"),
        ({"max_logins": 0}, "'max_logins' must be greater than 0"),
        ({"login_timeout": 0.0}, "'login_timeout' must be greater than 0"),
        ({"login_timeout": float("nan")}, "'login_timeout' must be a finite number"),
        ({"grace": float("inf")}, "'grace' must be a finite number"),
        ({"grace": -1.0}, "'grace' must not be negative"),
        ({"keep_days": -0.5}, "'keep_days' must not be negative"),
        ({"certificate": "a"}, "'certificate' and 'key' go together"),
        ({"key": "a"}, "'certificate' and 'key' go together"),
        ({"socket_mode": "rw"}, "'socket_mode' is an octal number"),
        ({"socket_mode": "999"}, "'socket_mode' is an octal number"),
        ({"socket_mode": "-77"}, "'socket_mode' is an octal number"),
        ({"socket_mode": "77777777777"}, "'socket_mode' is an octal number"),
        ({"environment": {"A=B": "c"}}, "'A=B' cannot be a variable"),
        ({"environment": {"": "c"}}, "'' cannot be a variable"),
        ({"environment": {"A": "\0"}}, "'A' cannot be a variable"),
        ({"listen": ("here",)}, "setting 'listen'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        build_settings(values)
    assert message in str(caught.value)


def test_paths_in_the_file_are_relative_to_its_folder() -> None:
    text = "state = 'state'\nmodules = ['jobs', '../more', '/abs']\ncertificate = 'a.pem'\nkey = '~/a.key'"
    settings = build_settings(parse_settings(text, ORIGIN))
    assert settings.state == "/etc/headless/state"
    assert settings.modules == ("/etc/headless/jobs", "/etc/more", "/abs")
    assert settings.certificate == "/etc/headless/a.pem"
    assert settings.key == os.path.expanduser("~/a.key")


def test_a_file_named_relatively_has_its_own_folder_too(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_settings("state = 's'", "sub/server.toml")["state"] == f"{tmp_path}/sub/s"


def test_paths_of_options_are_relative_to_the_working_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = build_settings({"state": "s", "modules": ("m",)})
    assert (settings.state, settings.modules) == (f"{tmp_path}/s", (f"{tmp_path}/m",))
    assert settings.certificate == ""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7443", TcpAddress("127.0.0.1", 7443)),
        ("127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("[::1]:0", TcpAddress("::1", 0)),
        ("[::]:7443", TcpAddress("::", 7443)),
        ("proxied:127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("proxied:localhost:80", TcpAddress("localhost", 80)),
        ("unix:/run/x", UnixAddress("/run/x")),
        ("unix:/run/x:0", UnixAddress("/run/x:0")),
    ],
)
def test_an_address_to_listen_on_is_read(text: str, address: TcpAddress | UnixAddress) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", ":0", ":7443", "7443", "localhost", "localhost:", "localhost:x", "localhost:70000", "localhost:-1",
        "::1:7443", "unix:", "unix:relative", "unix:/" + "x" * 200, "proxied:unix:/run/x", "proxied:", "a b:1",
        "http://localhost:80", "localhost:00",
    ],
)  # fmt: skip
def test_what_is_no_address_to_listen_on_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="setting 'listen'"):
        parse_listen(text)
