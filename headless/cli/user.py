"""``headless user``: who may log in to a server, how, and what each may run."""

import contextlib
import os
import pwd
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from headless.cli.group import OneLineGroup
from headless.cli.serve import default_state
from headless.config import read_environment
from headless.errors import ParameterError

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["user"]

UNSET_LOGINUID = 0xFFFFFFFF
STDIN_LIMIT = 4096  # bytes that are looked at; bcrypt takes 72
EXIT_STATUS = "\n\n\b\nExit status: 0 done, 2 nothing was changed."


@click.group(
    cls=OneLineGroup,
    name="user",
    epilog=EXIT_STATUS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
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
    _refuse_unused_secret(logins, secret_out, password_stdin)
    user = User(
        name,
        logins=logins,
        os_user=options["os_user"] or "",
        subjects=options["subjects"],
        run_as=options["run_as"] or "",
        modules=options["modules"],
        scripts=options["script"],
        code=options["code"],
    )
    _check_run_as(user.run_as)
    store = _open_store(state, create=True)
    store.check_new(user)
    if "challenge" not in logins:
        store.add(user)
    else:
        with _make_secret(secret_out, password_stdin) as secret:
            store.add(replace(user, secret=secret))
    given = ("os_user", "run_as", "subjects", "modules", "scripts", "code", "logins")
    _record(store, "USER_ADD", name, {key: value for key in given if (value := getattr(user, key))})


@user.command(name="list", epilog=EXIT_STATUS)
@_state_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_users(state: str | None, as_json: bool) -> None:
    """List the users. Secrets are not shown: there are none to show."""
    rows = []
    for entry in _open_store(state, reads=True).load().values():
        row = {item: getattr(entry, item) for item in ("name", "enabled", "logins", "os_user", "subjects", "run_as")}
        rows.append(
            {**row, "modules": entry.modules, "scripts": entry.scripts, "code": entry.code, "limits": entry.limits}
        )
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        may = [*row["modules"], *(word for word in ("scripts", "code") if row[word])]
        extra = [f"as {row['run_as']}"] if row["run_as"] else []
        extra += [f"{name}={value:.15g}" for name, value in sorted(row["limits"].items())]
        extra += [] if row["enabled"] else ["disabled"]
        click.echo(
            f"{row['name']:20} {','.join(row['logins']):24} {' '.join(may) or '(nothing)'} {' '.join(extra)}".rstrip()
        )


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_state_option
def remove(name: str, state: str | None) -> None:
    """Remove a user. Its running jobs go on."""
    store = _open_store(state)
    store.remove(name)
    _record(store, "USER_REMOVE", name, {})


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_secret_options
@_state_option
def passwd(name: str, state: str | None, secret_out: str | None, password_stdin: bool) -> None:
    """Give a user a new password; the old secret file is worth nothing then."""
    store = _open_store(state)
    store.require(name)
    with _make_secret(secret_out, password_stdin) as secret:
        store.change(name, lambda entry: {"secret": secret, "logins": _merge(entry.logins, ["challenge"])})
    _record(store, "USER_SECRET", name, {})


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_permission_options("")
@_login_options
@_state_option
def allow(name: str, state: str | None, **options: Any) -> None:
    """Allow a user more."""
    if all(value in (None, (), False) for value in options.values()):
        raise ParameterError("say what to allow: --module, --script, --code, --run-as, --os-user or --subject")
    _check_run_as(options["run_as"])
    given = {key: options[key] for key in ("os_user", "run_as") if options[key] is not None}
    store = _open_store(state)
    store.change(
        name,
        lambda entry: {
            "modules": _merge(entry.modules, options["modules"]),
            "scripts": entry.scripts or options["script"],
            "code": entry.code or options["code"],
            "subjects": _merge(entry.subjects, options["subjects"]),
            "logins": _merge(entry.logins, _implied_logins(options)),
            **given,
        },
    )
    _record(store, "USER_ALLOW", name, {key: value for key, value in options.items() if value})


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_permission_options("")
@_state_option
def deny(name: str, state: str | None, modules: tuple[str, ...], script: bool, code: bool) -> None:
    """Take back what a user was allowed; patterns are taken back as they were given."""
    if not (modules or script or code):
        raise ParameterError("say what to take back: --module, --script or --code; or see 'headless user disable'")

    def take_back(entry: Any) -> dict[str, Any]:
        unknown = [pattern for pattern in modules if pattern not in entry.modules]
        if unknown:
            raise ParameterError(f"{name} was not allowed {unknown[0]!r}: see 'headless user list'")
        left = tuple(pattern for pattern in entry.modules if pattern not in modules)
        return {"modules": left, "scripts": entry.scripts and not script, "code": entry.code and not code}

    store = _open_store(state)
    store.change(name, take_back)
    taken = {"modules": modules, "script": script, "code": code}
    _record(store, "USER_DENY", name, {key: value for key, value in taken.items() if value})


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@click.argument("limits", nargs=-1, required=True, metavar="NAME=VALUE...")
@_state_option
def limit(name: str, limits: Sequence[str], state: str | None) -> None:
    """Limit what a user's jobs may use; NAME= takes a limit away.

    \b
    headless user limit batch max_runtime=3600 memory=2G max_running=4

    Known are max_runtime, cpu_time (seconds), memory (bytes, or 512M, 2G), open_files, processes, nice (1 to 19), and
    max_running, the jobs at a time. Where the server or the module say something too, the strictest holds.
    """
    from headless.server.limits import USER_LIMITS, parse_limits

    given = dict(_split_pair(text) for text in limits)
    checked = parse_limits({key: value for key, value in given.items() if value}, "headless user limit", USER_LIMITS)
    parse_limits(dict.fromkeys(given, 1), "headless user limit", USER_LIMITS)  # the names of those that go
    store = _open_store(state)
    kept = store.change(
        name, lambda user: {"limits": {key: value for key, value in user.limits.items() if key not in given} | checked}
    )
    _record(
        store, "USER_LIMIT", name, {"limits": [f"{key}={value:.15g}" for key, value in sorted(kept.limits.items())]}
    )


def _split_pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ParameterError(f"{text!r}: give NAME=VALUE, or NAME= to take the limit away")
    return name, value


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_state_option
def disable(name: str, state: str | None) -> None:
    """Let a user log in no more, and keep what it was allowed."""
    store = _open_store(state)
    store.change(name, lambda _: {"enabled": False})
    _record(store, "USER_DISABLE", name, {})


@user.command(epilog=EXIT_STATUS)
@click.argument("name")
@_state_option
def enable(name: str, state: str | None) -> None:
    """Let a disabled user log in again."""
    store = _open_store(state)
    store.change(name, lambda _: {"enabled": True})
    _record(store, "USER_ENABLE", name, {})


def _open_store(state: str | None, *, create: bool = False, reads: bool = False) -> Any:
    """The users of a state folder; only the first user of a server that has never run needs ``create``.

    Where permissions can be changed but not recorded, nothing is changed.
    """
    from headless.server.audit import check_audit
    from headless.server.state import prepare_state
    from headless.server.users import UserStore

    folder = os.path.abspath(state or default_state(read_environment().state_folder))
    if not create and not os.path.isdir(folder):
        raise ParameterError(f"there is no state folder {folder}: give --state FOLDER of the server")
    prepare_state(folder)
    if reads:
        return UserStore(folder)
    try:
        check_audit(folder)
    except OSError as exc:
        raise ParameterError(f"the audit log in {folder} cannot be written: {exc.strerror}") from exc
    return UserStore(folder)


def _record(store: Any, action: str, name: str, fields: dict[str, Any]) -> None:
    """Tell the audit log of what was changed. It was changed: a disk that is full by now is a warning."""
    from headless.server.audit import AuditAction, append_audit

    try:
        append_audit(store.state, AuditAction[action], user=name, by=_find_caller(), **fields)
    except OSError as exc:
        click.echo(f"headless: warning: done, but not in the audit log, which cannot be written: {exc}", err=True)


def _find_caller() -> str:
    """Who gave the command: behind sudo the user who logged in (proc(5), loginuid), where the kernel knows."""
    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:
            login = int(file.read())
    except (OSError, ValueError):
        login = UNSET_LOGINUID
    uids = [os.getuid()] if login in (UNSET_LOGINUID, os.getuid()) else [os.getuid(), login]
    return " for ".join(map(_name_user, uids))


def _name_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _merge(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _implied_logins(options: dict[str, Any]) -> list[str]:
    return (["x509"] if options["subjects"] else []) + (["osuser"] if options["os_user"] else [])


def _check_run_as(name: str | None) -> None:
    if name:
        try:
            pwd.getpwnam(name)
        except KeyError as exc:
            raise ParameterError(f"--run-as {name}: there is no such user on this machine") from exc


def _choose_logins(options: dict[str, Any]) -> tuple[str, ...]:
    from headless.server.users import LOGIN_TYPES

    logins: tuple[str, ...] = options["logins"]
    for login in logins:
        if login not in LOGIN_TYPES:
            raise ParameterError(f"--login {login!r}: use {', '.join(LOGIN_TYPES)}")
    return _merge(logins, _implied_logins(options)) or ("challenge",)


def _refuse_unused_secret(logins: tuple[str, ...], secret_out: str | None, password_stdin: bool) -> None:
    if "challenge" not in logins and (secret_out or password_stdin):
        raise ParameterError("a secret is for --login challenge only")


@contextlib.contextmanager
def _make_secret(secret_out: str | None, password_stdin: bool) -> Iterator[Any]:
    """Make what the server keeps of a new secret, and the secret file if one is wanted; an error takes it away."""
    from headless.launcher.secret import create_secret, hash_password
    from headless.protocol.scram import build_verifier
    from headless.server.users import Secret

    import bcrypt  # isort: skip

    salt = bcrypt.gensalt(12).decode()
    if secret_out and password_stdin:
        raise ParameterError("--secret-out makes its own password: leave --password-stdin out")
    if secret_out and not os.path.isdir(os.path.dirname(os.path.abspath(secret_out))):
        raise ParameterError(f"--secret-out {secret_out}: its folder is missing: make it first")
    text = hash_password(secrets.token_urlsafe(48) if secret_out else _read_password(password_stdin), salt)
    secret = Secret(salt, build_verifier(text, secrets.token_bytes(16)))
    if not secret_out:
        yield secret
        return
    create_secret(secret_out, text)
    try:
        yield secret
    except BaseException:
        os.unlink(secret_out)
        raise


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return _read_stdin()
    if sys.stdin is None or not sys.stdin.isatty():
        raise ParameterError("there is no terminal to type a password: give --secret-out FILE or --password-stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _read_stdin() -> str:
    """One line; its end does not belong to the password."""
    data = b"" if sys.stdin is None else sys.stdin.buffer.read(STDIN_LIMIT)
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    if b"\n" in data:
        raise ParameterError("--password-stdin: standard input has more than one line")
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise ParameterError("--password-stdin: the password is not UTF-8") from exc
