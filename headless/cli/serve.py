"""``headless serve``: run a server."""

import os
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import click

from headless.config import read_environment
from headless.errors import ParameterError
from headless.log import set_up_log

__all__ = ["serve"]

EPILOG = """\
Every setting is an option and a key of the TOML file of --config (with underscores); an option wins. SIGTERM drains:
no new jobs, running ones may end for a while (--drain), then the server ends; a second one does not wait. Jobs that
still run go on, the next server finds them. SIGHUP reads users and modules again.

\b
Exit status: 0 stopped as told, 1 an address is not to be had, 2 a setting or the state folder is of no use.
"""


def _add_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each field of the settings' table."""
    from headless.server.settings import ServerSettings

    for item in reversed(fields(ServerSettings)):
        default = item.default if item.default is not MISSING else None
        text = item.metadata["help"]
        if isinstance(default, bool):
            names = f"--{item.name.replace('_', '-')}/--no-{item.name.replace('_', '-')}"
            function = click.option(names, item.name, default=None, help=f"{text}  [{str(default).lower()}]")(function)
            continue
        is_many = isinstance(default, tuple) or item.default is MISSING
        kind: Any = float if isinstance(default, float) else int if isinstance(default, int) else str
        shown = (
            f"  [{default:.15g}]"
            if isinstance(default, int | float)
            else f"  [{default}]"
            if default and isinstance(default, str)
            else ""
        )
        name = f"--{item.name.replace('_', '-')}"
        function = click.option(
            name, item.name, metavar=item.metadata["metavar"], multiple=is_many, type=kind, help=text + shown
        )(function)
    return function


@click.command(
    name="serve",
    epilog=EPILOG,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda text: text.replace("_", "-"),
        "max_content_width": 120,
    },
)
@click.option("--config", metavar="FILE", help="settings, TOML")
@_add_settings
@click.option("--log-file", metavar="FILE", help="log there instead of to standard error; cut at 1 MiB, one older kept")
@click.option("--ready-fd", type=int, hidden=True)
def serve(config: str | None, log_file: str | None, ready_fd: int | None, **options: Any) -> None:
    """Run a server: accept sessions, run jobs.

    \b
    headless serve --listen 127.0.0.1:7443 --listen unix:/run/headless.sock --state /var/lib/headless
    """
    from headless.execution.notify import Notifier
    from headless.server.service import run_service
    from headless.server.settings import build_settings

    environment = read_environment()
    values = _read_file(config) if config else {}
    values |= {name: value for name, value in options.items() if value not in (None, (), [])}
    for name in ("environment", "limits"):
        if options[name]:
            values[name] = dict(_parse_pair(f"--{name}", text) for text in options[name])
    values.setdefault("state", default_state(environment.state_folder))
    settings = build_settings(values)
    set_up_log(file=log_file, has_journal=environment.has_journal)
    run_service(settings, Notifier(environment.notify_socket, ready_fd), environment.listen_fds)


def default_state(user_folder: str) -> str:
    """Where a server keeps its things if nothing is said: the system's place for root, else the user's."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return "/var/lib/headless"
    return os.path.join(user_folder, "server")


def _read_file(path: str) -> dict[str, Any]:
    from headless.server.settings import parse_settings

    try:
        with open(path, encoding="utf-8") as file:
            return parse_settings(file.read(), path)
    except OSError as exc:
        raise ParameterError(f"--config {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ParameterError(f"--config {path} is not UTF-8") from exc


def _parse_pair(option: str, text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ParameterError(f"{option} {text!r}: give NAME=VALUE")
    return name, value
