"""Hooks as they stand in settings: what is taken, and in which words the rest is refused."""

import tomllib
from typing import Any

import pytest

from headless.errors import ParameterError
from headless.server.hooks.actions import Action, ActionKind, Hooks, parse_hooks
from headless.server.settings import build_settings, parse_settings

MAIL = Action(ActionKind.MAIL, ("ops@example.org",))


def parse(text: str) -> Hooks:
    return parse_hooks(tomllib.loads(text), "nightly.toml")


def test_each_kind_alone_and_in_a_list() -> None:
    hooks = parse(
        """
        on_failure = [{mail = "ops@example.org"}, {command = ["/bin/tell", "a b"], timeout = 3, retries = 0}]
        on_success = {ping = "https://hc.example/uuid?create=1"}
        on_lost = []
        [[on_start]]
        webhook = "http://127.0.0.1:8080/x"
        repeat = true
        timeout = 0.5
        """
    )
    assert hooks.on_failure == (MAIL, Action(ActionKind.COMMAND, ("/bin/tell", "a b"), timeout_s=3.0, retries=0))
    assert hooks.on_success == (Action(ActionKind.PING, ("https://hc.example/uuid?create=1",)),)
    assert hooks.on_start == (Action(ActionKind.WEBHOOK, ("http://127.0.0.1:8080/x",), timeout_s=0.5, repeat=True),)
    assert (hooks.on_skip, hooks.on_lost) == (None, ())
    assert (MAIL.timeout_s, MAIL.retries, MAIL.is_repeated) == (10.0, 3, False)
    assert hooks.on_success[0].is_repeated and hooks.on_start[0].is_repeated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('on_failur = {mail = "x"}', "unknown setting 'on_failur': did you mean 'on_failure'?"),
        ('on_failure = "ops@example.org"', "must be a list of tables"),
        ("on_failure = [1]", "must be a list of tables"),
        ("on_failure = {}", "exactly one of command, webhook, ping, mail"),
        ('on_failure = {mail = "x", ping = "http://x"}', "exactly one of"),
        ('on_failure = {mial = "x"}', "unknown key 'mial': did you mean 'mail'?"),
        ('on_failure = {mail = "x", retry = 3}', "unknown key 'retry': did you mean 'retries'?"),
        ('on_failure = {command = "/bin/tell ops"}', "is a list of texts"),
        ("on_failure = {command = []}", "is a list of texts"),
        ('on_failure = {command = ["/bin/x", 1]}', "is a list of texts"),
        ('on_failure = {command = ["tell"]}', "with its whole path, not 'tell'"),
        ('on_failure = {command = ["/x", "a\\u0000"]}', "holds a NUL"),
        ('on_failure = {webhook = "ftp://x/y"}', "is a URL like"),
        ('on_failure = {webhook = "https://"}', "is a URL like"),
        ('on_failure = {webhook = "https://x:99999/"}', "is a URL like"),
        ('on_failure = {ping = "https://x/a\\nb"}', "is a URL like"),
        ("on_failure = {ping = 1}", "is a URL like"),
        ('on_failure = {mail = "a@b\\nBcc: c@d"}', "is one address"),
        ('on_failure = {mail = "a@b, c@d"}', "is one address"),
        ('on_failure = {mail = "-oQ/tmp"}', "is one address"),
        ('on_failure = {mail = ""}', "is one address"),
        ('on_failure = {mail = "x", timeout = 0}', "timeout is at most 300"),
        ('on_failure = {mail = "x", timeout = 1e9}', "timeout is at most 300"),
        ('on_failure = {mail = "x", timeout = nan}', "timeout is at most 300"),
        ('on_failure = {mail = "x", timeout = "1"}', "number of seconds"),
        ('on_failure = {mail = "x", retries = 1.5}', "whole number"),
        ('on_failure = {mail = "x", retries = true}', "whole number"),
        ('on_failure = {mail = "x", retries = -1}', "retries is at most 20"),
        ('on_failure = {mail = "x", repeat = 1}', "true or false"),
    ],
)
def test_what_cannot_be_is_refused_in_words_that_name_the_file(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse(text)
    assert message in str(caught.value) and str(caught.value).startswith("nightly.toml: ")
    assert "\n" not in str(caught.value)


def test_a_list_has_a_limit() -> None:
    with pytest.raises(ParameterError, match="at most 20"):
        parse_hooks({"on_failure": [{"mail": "x"}] * 21}, "x")


def test_a_secret_url_is_in_no_message_and_no_repr() -> None:
    (action,) = parse('on_start = {ping = "https://user:pw@hc.example/secret?key=secret"}').on_start or ()
    assert action.label == "ping hc.example"
    assert "secret" not in repr(action)
    with pytest.raises(ParameterError) as caught:
        parse('on_start = {ping = "hc.example/secret"}')
    assert "secret" not in str(caught.value)


def test_a_modules_lists_take_the_place_of_the_servers_even_empty_ones() -> None:
    server = Hooks(on_failure=(MAIL,), on_success=(MAIL,))
    assert server.override(Hooks()) == server
    assert server.override(Hooks(on_failure=(), on_skip=(MAIL,))) == Hooks(
        on_failure=(), on_success=(MAIL,), on_skip=(MAIL,)
    )


def test_the_servers_settings_take_them_from_the_file_and_from_options() -> None:
    values: dict[str, Any] = parse_settings('[[on_failure]]\nmail = "ops@example.org"\n', "/etc/headless/server.toml")
    settings = build_settings({**values, "on_start": ("{command = ['/bin/true']}",)})
    assert settings.hooks == Hooks(on_failure=(MAIL,), on_start=(Action(ActionKind.COMMAND, ("/bin/true",)),))
    assert build_settings({}).hooks == Hooks()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"on_start": ("{mail = ",)}, "--on-start: give"),
        ({"on_start": ("mail",)}, "--on-start: give"),
        ({"on_start": ("{mial = 'x'}",)}, "did you mean 'mail'"),
        ({"metrics_listen": "9100"}, "'metrics_listen' is HOST:PORT"),
        ({"metrics_listen": "unix:/x"}, "'metrics_listen' is HOST:PORT"),
        ({"metrics_listen": "proxied:localhost:9100"}, "'metrics_listen' is HOST:PORT"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build_settings(values)


def test_a_file_that_cannot_be_is_refused_with_its_name() -> None:
    with pytest.raises(ParameterError, match=r"server\.toml: setting 'on_failure': unknown key 'mial'"):
        parse_settings('on_failure = {mial = "x"}', "/etc/headless/server.toml")
