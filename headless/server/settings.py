"""The server's settings: one table, from which the file's check, the options and the manual are made."""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from headless.errors import ParameterError
from headless.metrics.settings import parse_metrics_listen
from headless.server.hooks.actions import HOOKS, Action, Hooks, parse_actions
from headless.server.limits import parse_limits
from headless.transport.address import Address, UnixAddress, parse_address

__all__ = ["ServerSettings", "build_settings", "parse_listen", "parse_settings"]

MIB = 1 << 20
PATHS = ("state", "modules", "python", "certificate", "key", "client_ca", "sendmail", "metrics_file")
CGROUPS = ("auto", "on", "off")
VARIABLE = re.compile(r"[^=\0]+")


def _setting(default: Any, text: str, metavar: str = "") -> Any:
    return field(default=default, metadata={"help": text, "metavar": metavar})


def _hook(when: str) -> Any:
    return _setting((), f"what to do when {when}, as in the file: {{mail = 'ops@example.org'}}", "TABLE")


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server goes by. The names are those of the file; with dashes, those of the options."""

    listen: tuple[str, ...] = _setting(
        (), "where to listen: HOST:PORT (TLS), unix:/path, or proxied:HOST:PORT", "ADDRESS"
    )
    state: str = _setting("", "folder of users, keys and jobs", "FOLDER")
    modules: tuple[str, ...] = _setting((), "folder of modules; the first that has a name wins", "FOLDER")
    shipped_modules: bool = _setting(True, "offer the modules that come with headless, after the others")
    python: str = _setting("", "interpreter for the jobs; left out: the server's own, kept warm", "PROGRAM")
    certificate: str = _setting("", "TLS certificate chain, PEM; left out: one is made", "FILE")
    key: str = _setting("", "key of the certificate, PEM", "FILE")
    client_ca: str = _setting("", "authorities whose client certificates may log in (x509), PEM", "FILE")
    socket_mode: str = _setting("666", "permissions of unix sockets, octal; the kernel tells who connects", "MODE")
    max_script: int = _setting(1 * MIB, "largest script or code, bytes", "BYTES")
    max_stdin: int = _setting(1024 * MIB, "largest input handed over with --stdin, bytes", "BYTES")
    max_output: int = _setting(1024 * MIB, "most bytes kept of each of a job's outputs; the rest is counted", "BYTES")
    max_logins: int = _setting(1000, "most connections at a time that have not logged in yet", "COUNT")
    login_timeout: float = _setting(10.0, "seconds in which a connection must log in", "SECONDS")
    grace: float = _setting(10.0, "seconds between TERM and KILL for what a job leaves behind", "SECONDS")
    drain: float = _setting(
        20.0, "seconds for which a server that stops lets its jobs end; the others go on; -1: all it takes", "SECONDS"
    )
    max_running: int = _setting(100, "most jobs that run at a time; the others wait", "COUNT")
    max_running_per_user: int = _setting(0, "most jobs of one user that run at a time; 0: no such limit", "COUNT")
    max_waiting: int = _setting(10_000, "most jobs that wait; above it, launchers are told to come back", "COUNT")
    ping_interval: float = _setting(20.0, "seconds between pings, which keep sessions alive through proxies", "SECONDS")
    journal: str = _setting("", "database of the jobs, postgresql://...; left out: a file in the state folder", "URL")
    cgroups: str = _setting(
        "auto", "a control group (v2) for each job: on, off, or auto: if the server is a service with its own", "WHEN"
    )
    keep_days: float = _setting(14.0, "days for which an ended job is kept", "DAYS")
    keep_jobs: int = _setting(100_000, "most ended jobs that are kept", "COUNT")
    idle_exit: float = _setting(0.0, "end after so many seconds without session and job; 0: never", "SECONDS")
    on_failure: tuple[Action, ...] = _hook("a job has failed, or has ended well again")
    on_success: tuple[Action, ...] = _hook("a job has ended well")
    on_start: tuple[Action, ...] = _hook("a job begins to run")
    on_skip: tuple[Action, ...] = _hook("a start was skipped, as another run of the job was active")
    on_lost: tuple[Action, ...] = _hook("a job is lost; left out: as on_failure")
    sendmail: str = _setting("/usr/sbin/sendmail", "program that takes the mail of hooks, sendmail(8)", "PROGRAM")
    metrics_file: str = _setting("", "file to write metrics to, as Prometheus reads them", "FILE")
    metrics_listen: str = _setting("", "where to serve /metrics, plain HTTP: 127.0.0.1:9100, say", "HOST:PORT")
    limits: Mapping[str, Any] = field(
        default_factory=dict,
        metadata={"help": "limit for all jobs, like memory=2G; in the file, a table", "metavar": "NAME=VALUE"},
    )
    environment: Mapping[str, str] = field(
        default_factory=dict, metadata={"help": "variable for all jobs; in the file, a table", "metavar": "NAME=VALUE"}
    )

    @property
    def hooks(self) -> Hooks:
        """The server's own hooks; a list that is empty says nothing."""
        return Hooks(**{name: getattr(self, name) or None for name in HOOKS})


_FIELDS = {item.name: item for item in fields(ServerSettings)}


def parse_settings(text: str, origin: str) -> dict[str, Any]:
    """Read and check a settings file.

    Args:
        text: TOML.
        origin: the file's name, for messages; paths in the file are relative to its folder.

    Raises:
        ParameterError: no TOML, an unknown key (with a suggestion), or a value of a wrong type.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ParameterError(f"{origin}: not valid TOML: {exc}") from exc
    for name, value in values.items():
        if name not in _FIELDS:
            raise ParameterError(f"{origin}: unknown setting {name!r}{_suggest(name)}")
        values[name] = _check_type(origin, name, value)
    folder = os.path.dirname(os.path.abspath(origin))
    for name in set(PATHS) & set(values):
        values[name] = _resolve(folder, values[name])
    return values


def build_settings(values: Mapping[str, Any]) -> ServerSettings:
    """Make settings of checked values, with absolute paths.

    Raises:
        ParameterError: a value is out of range, or two of them do not go together.
    """
    settings = ServerSettings(**{**values, **_parse_hook_options(values)})
    for name, value in vars(settings).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(f"setting {name!r} must be a finite number")
    for name in (
        "max_script",
        "max_stdin",
        "max_output",
        "max_logins",
        "login_timeout",
        "max_running",
        "ping_interval",
    ):
        if getattr(settings, name) <= 0:
            raise ParameterError(f"setting {name!r} must be greater than 0")
    for name in ("grace", "keep_days", "keep_jobs", "max_running_per_user", "max_waiting", "idle_exit"):
        if getattr(settings, name) < 0:
            raise ParameterError(f"setting {name!r} must not be negative")
    if settings.cgroups not in CGROUPS:
        raise ParameterError(f"setting 'cgroups' is one of {', '.join(CGROUPS)}, not {settings.cgroups!r}")
    if bool(settings.certificate) != bool(settings.key):
        raise ParameterError("settings 'certificate' and 'key' go together: give both or neither")
    if not re.fullmatch("0?[0-7]{3}", settings.socket_mode):
        raise ParameterError(f"setting 'socket_mode' is an octal number like 660, not {settings.socket_mode!r}")
    for name, value in settings.environment.items():
        if not VARIABLE.fullmatch(name) or "\0" in value:
            raise ParameterError(f"setting 'environment': {name!r} cannot be a variable")
    for address in settings.listen:
        parse_listen(address)
    if settings.metrics_listen:
        parse_metrics_listen(settings.metrics_listen)
    limits = parse_limits(settings.limits, "setting 'limits'")
    return replace(settings, limits=limits, **{name: _resolve(os.getcwd(), getattr(settings, name)) for name in PATHS})


def parse_listen(text: str) -> Address:
    """Read where to listen; port 0 means any that is free.

    Raises:
        ParameterError: it is no address.
    """
    plain = text.removeprefix("proxied:")
    try:
        address = parse_address(plain, is_any_port=True)
    except ParameterError as exc:
        raise ParameterError(f"setting 'listen': {exc}") from exc
    if isinstance(address, UnixAddress) and plain != text:
        raise ParameterError(f"setting 'listen': {text!r}: a unix socket needs no proxy: leave 'proxied:' out")
    return address


def _parse_hook_options(values: Mapping[str, Any]) -> dict[str, tuple[Action, ...]]:
    """Hooks that came as options: each text is a table of TOML on one line."""
    parsed = {}
    for name in set(HOOKS) & set(values):
        tables = []
        for value in values[name]:
            if isinstance(value, str):
                try:
                    tables.append(tomllib.loads(f"table = {value}")["table"])
                except tomllib.TOMLDecodeError as exc:
                    option = name.replace("_", "-")
                    raise ParameterError(f"--{option}: give {{mail = 'ops@example.org'}} or the like: {exc}") from exc
        parsed[name] = parse_actions(tables, "options", name) if tables else tuple(values[name])
    return parsed


def _resolve(folder: str, value: Any) -> Any:
    """Paths as absolute ones; what is empty stays so."""
    if isinstance(value, tuple):
        return tuple(_resolve(folder, item) for item in value)
    return os.path.abspath(os.path.join(folder, os.path.expanduser(value))) if value else value


def _check_type(origin: str, name: str, value: Any) -> Any:
    if name in HOOKS:
        return parse_actions(value, origin, name)
    default = _FIELDS[name].default
    if isinstance(default, tuple):
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ParameterError(f"{origin}: setting {name!r} must be a list of texts")
        return tuple(items)
    if default is MISSING:
        kinds = str if name == "environment" else str | int | float
        if not isinstance(value, dict) or not all(isinstance(item, kinds) for item in value.values()):
            raise ParameterError(f"{origin}: setting {name!r} must be a table of texts")
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise ParameterError(f"{origin}: setting {name!r} must be {words[type(default)]}")
    return value


def _suggest(name: str) -> str:
    close = difflib.get_close_matches(name, _FIELDS, 1)
    return f": did you mean {close[0]!r}?" if close else f": known are {', '.join(sorted(_FIELDS))}"
