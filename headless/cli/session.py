"""The options of a session, of every command that opens one: where they come from, and what they amount to."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from headless.config import Environment, read_launcher_files
from headless.errors import ParameterError
from headless.launcher.settings import AUTH_TYPES, parse_timeout
from headless.transport.address import Address, UnixAddress, parse_address

__all__ = [
    "FILE",
    "SESSION_NAMES",
    "channel_options",
    "check_utf8",
    "choose_verbosity",
    "login_options",
    "measure_strength",
    "name_sources",
    "parse_optional",
    "parse_seconds",
    "read_file_defaults",
    "read_session",
    "read_wait",
    "reconnect_option",
    "talk_options",
]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

FILE = click.Path(readable=False)  # for the shell's completion; what it must be is checked where it is opened
STRENGTH = {ParameterSource.COMMANDLINE: 3, ParameterSource.ENVIRONMENT: 2, ParameterSource.DEFAULT_MAP: 1}

# What settings may come from variables and files by the same name in every command.
SESSION_NAMES = (
    *("service", "user", "auth_type", "secret", "ca_file", "cert", "key", "proxied", "connect_for", "reconnect_for"),
    *("quiet", "verbose"),
)


def _option(*names: str, **attributes: Any) -> Callable[[_Decorated], _Decorated]:
    """An option whose variable has the same name in every command, a command's sub-commands included."""
    variable = max(names, key=len).lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=f"HEADLESS_{variable}", **attributes)


_LOGIN = (
    _option("-s", "--service", metavar="HOST:PORT", help="The server, or unix:/path; left out: a server of your own."),
    _option("-u", "--user", metavar="NAME", help="Who logs in; left out: the OS user."),
    _option(
        "-a",
        "--auth-type",
        metavar="TYPE",
        help="osuser, challenge or x509; left out: x509 with --cert, osuser on a unix socket if no secret is given,"
        " else challenge.",
    ),
    _option("-p", "--secret", type=FILE, metavar="FILE", help="The secret file; made at the first run at a terminal."),
)
_CHANNEL = (
    _option("--ca-file", type=FILE, metavar="FILE", help="Check the server's certificate against these authorities."),
    _option("--cert", type=FILE, metavar="FILE", help="Client certificate for x509, PEM."),
    _option("--key", type=FILE, metavar="FILE", help="Key of the client certificate, PEM."),
    _option(
        "--proxied", is_flag=True, help="A TLS proxy stands before the server: check its chain, do not bind to it."
    ),
    _option(
        "--connect-for", metavar="SECONDS", default="30", help="How long to try to reach the server and log in.  [30]"
    ),
)
_TALK = (
    _option("-q", "--quiet", is_flag=True, help="Print nothing at all, not even errors; wins over -v."),
    _option("-v", "--verbose", count=True, help="Say more: information, -vv messages sent, -vvv also received."),
)


def login_options(command: _Decorated) -> _Decorated:
    """Add the options that say where the server is and who logs in."""
    return _add(_LOGIN, command)


def channel_options(command: _Decorated) -> _Decorated:
    """Add the options that say how the server is reached."""
    return _add(_CHANNEL, command)


def reconnect_option(command: _Decorated) -> _Decorated:
    """Add the option of what waits for a job."""
    return _option(
        "--reconnect-for",
        metavar="SECONDS",
        default="600",
        help="With --timeout -1: how long to try to take a lost connection up again, each time.  [600]",
    )(command)


def talk_options(command: _Decorated) -> _Decorated:
    """Add the options that say how much is said."""
    return _add(_TALK, command)


def _add(options: Iterable[Callable[[_Decorated], _Decorated]], command: _Decorated) -> _Decorated:
    for decorate in reversed(list(options)):
        command = decorate(command)
    return command


def read_file_defaults(
    launch: click.Command, environment: Environment, wanted: Iterable[str] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the launcher's files.

    Args:
        launch: the launcher's command: what it knows may stand there.
        environment: says where they are.
        wanted: the settings that count, others are passed over; ``None`` for all.

    Returns:
        Values as they would stand on the command line, and the file that each stands in.

    Raises:
        ParameterError: a file cannot be read, or holds what is no setting or not of its type.
    """
    options = {item.name: item for item in launch.params if isinstance(item, click.Option) and item.name}
    known = {name for name, option in options.items() if not option.multiple} - {"help", "version"}
    found = read_launcher_files(environment.config_files, known)
    chosen = {name: found[name] for name in (found if wanted is None else wanted) if name in found}
    values = {name: _as_option(options[name], value, path) for name, (value, path) in chosen.items()}
    return values, {name: path for name, (_, path) in chosen.items()}


def _as_option(option: click.Option, value: Any, path: str) -> Any:
    """A value of a file as it would stand on the command line."""
    kinds: tuple[type, ...] = (str, int, float)
    what = "a text or a number"
    if option.count:
        kinds, what = (int,), "a whole number"
    elif option.is_flag:
        kinds, what = (bool,), "true or false"
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ParameterError(f"{path}: setting {option.name!r} must be {what}")
    return value if option.is_flag or option.count else str(value)


def read_session(values: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """The attributes of ``SessionSettings``, from the options' values.

    Raises:
        ParameterError: one is of no use, or they do not fit together.
    """
    service = None if values["service"] is None else parse_address(values["service"])
    return {
        "service": service,
        "user": values["user"] or "",
        "auth_type": _choose_auth_type(values, service),
        "secret": _choose_secret(values, environment),
        "ca_file": values["ca_file"] or "",
        "certificate": values["cert"] or "",
        "key": values["key"] or "",
        "is_proxied": values["proxied"],
        "connect_for_s": parse_seconds("--connect-for", values["connect_for"]),
    }


def read_wait(values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that ``WaitSettings`` adds, from the options' values.

    Raises:
        ParameterError: one is of no use, or they do not fit together.
    """
    timeout_s = None if values["timeout"] is None else parse_timeout(values["timeout"])
    for name in ("output", "result"):
        if values[name] == "":
            raise ParameterError(f"--{name} is empty: give it a value or leave it out")
    if timeout_s is None and not (values["output"] is None and values["result"] is None):
        raise ParameterError("--output and --result need --timeout: without it nobody waits for them")
    if values["exit_code"] not in (None, "job"):
        raise ParameterError(f"--exit-code {values['exit_code']!r}: the only choice is 'job'")
    return {
        "timeout_s": timeout_s,
        "output": values["output"],
        "result": values["result"],
        "job_status": values["exit_code"] == "job",
        "reconnect_for_s": parse_optional(values, "reconnect_for") or 0.0,
    }


def _choose_auth_type(values: Mapping[str, Any], service: Address | None) -> str:
    given = values["auth_type"]
    is_local = service is None or isinstance(service, UnixAddress)
    if given is None:
        if is_local and not (service is not None and values["secret"]):
            return "osuser"
        return "x509" if values["cert"] and not is_local else "challenge"
    if given not in AUTH_TYPES:
        raise ParameterError(f"--auth-type {given!r}: use {', '.join(AUTH_TYPES)}")
    if given == "osuser" and not is_local:
        raise ParameterError("--auth-type osuser works over a unix socket only: use challenge or x509 for HOST:PORT")
    if given == "x509" and (is_local or not values["cert"]):
        raise ParameterError("--auth-type x509 needs --service HOST:PORT and --cert FILE")
    return str(given)


def _choose_secret(values: Mapping[str, Any], environment: Environment) -> str:
    """Option, variable and files come first; then systemd's credential ``headless``; then the user's own folder."""
    given: str | None = values["secret"]
    if given:
        return os.path.expanduser(given)
    credential = os.path.join(environment.credentials, "headless") if environment.credentials else ""
    if credential and os.path.exists(credential):
        return credential
    return os.path.join(environment.config_folder, "secret")


def parse_seconds(option: str, text: str) -> float:
    """Read a number of seconds that has an end.

    Raises:
        ParameterError: it is none, or -1.
    """
    if text == "-1":
        raise ParameterError(f"{option} -1: give a number of seconds")
    try:
        return parse_timeout(text)
    except ParameterError as exc:
        raise ParameterError(f"{option} {text!r}: give a number of seconds") from exc


def parse_optional(values: Mapping[str, Any], name: str) -> float | None:
    """Read an option that is a number of seconds or 0; ``None`` if it was left out.

    Raises:
        ParameterError: it is neither.
    """
    text: str | None = values[name]
    if text is None or text == "0":
        return None if text is None else 0.0
    return parse_seconds(f"--{name.replace('_', '-')}", text)


def check_utf8(texts: Iterable[str]) -> None:
    """Refuse what cannot be sent: texts that are not UTF-8.

    Raises:
        ParameterError: there is one.
    """
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise ParameterError(f"{ascii(text)[:80]} is not UTF-8: write it so, or put it into a file") from exc


def choose_verbosity(context: click.Context, values: Mapping[str, Any]) -> int:
    """Quiet wins, unless ``--verbose`` comes from a stronger place."""
    quiet, verbose = measure_strength(context, "quiet"), measure_strength(context, "verbose")
    if values["quiet"] and not (values["verbose"] and verbose > quiet):
        return -1
    return int(values["verbose"])


def measure_strength(context: click.Context, name: str) -> int:
    """How strong the place is that an option's value comes from; 0 for its default."""
    return STRENGTH.get(context.get_parameter_source(name) or ParameterSource.DEFAULT, 0)


def name_sources(context: click.Context) -> str:
    """A clause on where settings come from that do not stand on the command line."""
    origins: dict[str, str] = context.meta["headless.origins"]
    places = [
        f"HEADLESS_{name.upper()}"
        if measure_strength(context, name) == STRENGTH[ParameterSource.ENVIRONMENT]
        else origins[name]
        for name in context.params
        if 0 < measure_strength(context, name) < STRENGTH[ParameterSource.COMMANDLINE]
    ]
    return f" (settings also come from {', '.join(dict.fromkeys(places))})" if places else ""
