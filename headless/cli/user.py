"""``headless user``: who may log in to a server, how, and what each may run."""

import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

import click

from headless.cli.serve import default_state
from headless.config import read_environment
from headless.errors import ParameterError

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["user"]

EXIT_STATUS = "\n\n\b\nExit status: 0 done, 2 nothing was changed."


@click.group(name="user", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def user() -> None:
    """Users of a server: how they log in, what they may run. A running server sees changes at once.

    \b
    headless user add batch --allow-module 'nightly-*' --secret-out /etc/headless/batch.secret
    """


def _state_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--state", metavar="FOLDER", help="The server's state folder.")(function)


def _permission_options(prefix: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(f"--{prefix}code", "code", is_flag=True, help="Code that the user sends."),
            click.option(f"--{prefix}script", "script", is_flag=True, help="Scripts that the user sends."),
            click.option(
                f"--{prefix}module", "modules", multiple=True, metavar="PATTERN", help="Modules, as a pattern."
            ),
        ):
            function = option(function)
        return function

    return add


def _login_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--run-as", metavar="OS-USER", help="Who the jobs run as, on a server that runs as root."),
        click.option("--subject", "subjects", multiple=True, metavar="NAME", help="x509: CN=...,O=... or DNS:name."),
        click.option(
            "--os-user", metavar="NAME", help="osuser: who it is on the unix socket; left out: the same name."
        ),
    ):
        function = option(function)
    return function


def _secret_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
        click.option("--secret-out", metavar="FILE", help="Make a random password; write its secret file, 0400."),
    ):
        function = option(function)
    return function


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@click.option(
    "--login", "logins", multiple=True, metavar="TYPE", help="challenge, osuser or x509; left out: what is given."
)
@_permission_options("allow-")
@_login_options
@_secret_options
@_state_option
def add(name: str, state: str | None, secret_out: str | None, password_stdin: bool, **options: Any) -> None:
    """Add a user. What is not allowed is forbidden."""
    from headless.server.users import User

    logins = _choose_logins(options)
    store = _open_store(state)
    if name in store.load():
        raise ParameterError(f"there is a user {name!r} already: see 'headless user list'")
    secret = _make_secret(secret_out, password_stdin) if "challenge" in logins else None
    _refuse_unused_secret(logins, secret_out, password_stdin)
    store.add(
        User(
            name,
            logins=logins,
            secret=secret,
            os_user=options["os_user"] or "",
            subjects=options["subjects"],
            run_as=options["run_as"] or "",
            modules=options["modules"],
            scripts=options["script"],
            code=options["code"],
        )
    )


@user.command(name="list", epilog=EXIT_STATUS)
@_state_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_users(state: str | None, as_json: bool) -> None:
    """List the users. Secrets are not shown: there are none to show."""
    rows = []
    for entry in _open_store(state).load().values():
        row = {item: getattr(entry, item) for item in ("name", "enabled", "logins", "os_user", "subjects", "run_as")}
        rows.append({**row, "modules": entry.modules, "scripts": entry.scripts, "code": entry.code})
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        may = [*row["modules"], *(word for word in ("scripts", "code") if row[word])]
        extra = [f"as {row['run_as']}"] if row["run_as"] else []
        extra += [] if row["enabled"] else ["disabled"]
        click.echo(
            f"{row['name']:20} {','.join(row['logins']):24} {' '.join(may) or '(nothing)'} {' '.join(extra)}".rstrip()
        )


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_state_option
def remove(name: str, state: str | None) -> None:
    """Remove a user. Its running jobs go on."""
    _open_store(state).remove(name)


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_secret_options
@_state_option
def passwd(name: str, state: str | None, secret_out: str | None, password_stdin: bool) -> None:
    """Give a user a new password; the old secret file is worth nothing then."""
    store = _open_store(state)
    entry = store.load().get(name)
    if entry is None:
        raise ParameterError(f"there is no user {name!r}: see 'headless user list'")
    secret = _make_secret(secret_out, password_stdin)
    store.change(name, secret=secret, logins=tuple(dict.fromkeys((*entry.logins, "challenge"))))


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_permission_options("")
@_login_options
@_state_option
def allow(name: str, state: str | None, **options: Any) -> None:
    """Allow a user more."""
    store = _open_store(state)
    entry = _require(store.load(), name)
    changes: dict[str, Any] = {
        "modules": tuple(dict.fromkeys((*entry.modules, *options["modules"]))),
        "scripts": entry.scripts or options["script"],
        "code": entry.code or options["code"],
        "subjects": tuple(dict.fromkeys((*entry.subjects, *options["subjects"]))),
    }
    changes |= {key: options[key] for key in ("os_user", "run_as") if options[key] is not None}
    logins = [*entry.logins, *(["x509"] if options["subjects"] else []), *(["osuser"] if options["os_user"] else [])]
    store.change(name, **changes, logins=tuple(dict.fromkeys(logins)))


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_permission_options("")
@_state_option
def deny(name: str, state: str | None, modules: tuple[str, ...], script: bool, code: bool) -> None:
    """Take back what a user was allowed; patterns are taken back as they were given."""
    store = _open_store(state)
    entry = _require(store.load(), name)
    unknown = [pattern for pattern in modules if pattern not in entry.modules]
    if unknown:
        raise ParameterError(f"{name} was not allowed {unknown[0]!r}: see 'headless user list'")
    left = tuple(pattern for pattern in entry.modules if pattern not in modules)
    store.change(name, modules=left, scripts=entry.scripts and not script, code=entry.code and not code)


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_state_option
def disable(name: str, state: str | None) -> None:
    """Let a user log in no more, and keep what it was allowed."""
    _open_store(state).change(name, enabled=False)


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_state_option
def enable(name: str, state: str | None) -> None:
    """Let a disabled user log in again."""
    _open_store(state).change(name, enabled=True)


def _open_store(state: str | None) -> Any:
    from headless.server.service import prepare_state
    from headless.server.users import UserStore

    folder = os.path.abspath(state or default_state(read_environment().state_folder))
    prepare_state(folder)
    return UserStore(folder)


def _require(users: Any, name: str) -> Any:
    if name not in users:
        raise ParameterError(f"there is no user {name!r}: see 'headless user list'")
    return users[name]


def _choose_logins(options: dict[str, Any]) -> tuple[str, ...]:
    from headless.server.users import LOGIN_TYPES

    logins: tuple[str, ...] = options["logins"]
    for login in logins:
        if login not in LOGIN_TYPES:
            raise ParameterError(f"--login {login!r}: use {', '.join(LOGIN_TYPES)}")
    implied = (["x509"] if options["subjects"] else []) + (["osuser"] if options["os_user"] else [])
    return tuple(dict.fromkeys((*logins, *implied))) or ("challenge",)


def _refuse_unused_secret(logins: tuple[str, ...], secret_out: str | None, password_stdin: bool) -> None:
    if "challenge" not in logins and (secret_out or password_stdin):
        raise ParameterError("a secret is for --login challenge only")


def _make_secret(secret_out: str | None, password_stdin: bool) -> Any:
    """Make what the server keeps of a new secret, and the secret file if one is wanted."""
    from headless.launcher.secret import create_secret, hash_password
    from headless.protocol.scram import build_verifier
    from headless.server.users import Secret

    import bcrypt  # isort: skip

    salt = bcrypt.gensalt(12).decode()
    if secret_out and password_stdin:
        raise ParameterError("--secret-out makes its own password: leave --password-stdin out")
    if secret_out:
        text = hash_password(secrets.token_urlsafe(48), salt)
        create_secret(secret_out, text)
    else:
        text = hash_password(_read_password(password_stdin), salt)
    return Secret(salt, build_verifier(text, secrets.token_bytes(16)))


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().removesuffix("\n")
    if sys.stdin is None or not sys.stdin.isatty():
        raise ParameterError("there is no terminal to type a password: give --secret-out FILE or --password-stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
