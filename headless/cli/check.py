"""``headless --check``: shows what a launch would go by and where each value comes from, and tries all but the job."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import click
from click.core import ParameterSource

from headless.config import Environment
from headless.launcher.login import os_user
from headless.launcher.run import check_job
from headless.launcher.settings import LaunchSettings
from headless.launcher.source import choose_name
from headless.launcher.splay import compute_splay
from headless.launcher.talk import Talk

__all__ = ["run_check"]

PLAIN = (
    *("module", "py_file", "name", "output", "result", "exit_code", "ca_file", "cert", "key", "connect_for"),
    *("reconnect_for", "overlap", "wait_for", "not_after", "max_runtime", "grace"),
)
ORIGINS = {ParameterSource.COMMANDLINE: "option", ParameterSource.ENVIRONMENT: "variable"}


def run_check(
    context: click.Context, values: Mapping[str, Any], settings: LaunchSettings, environment: Environment, talk: Talk
) -> int:
    """Print what was resolved, then do all that a launch does but start the job; return the exit code.

    Raises:
        HeadlessError: as the launch would.
    """
    if talk.verbosity >= 0:
        files: dict[str, str] = context.meta["headless.origins"]
        for name, shown in _resolve(values, settings):
            source = context.get_parameter_source(name) or ParameterSource.COMMANDLINE
            origin = files[name] if source is ParameterSource.DEFAULT_MAP else ORIGINS.get(source, "default")
            line = f"{name.replace('_', '-'):13} {shown}  ({origin})"
            click.echo(line.encode(errors="backslashreplace").decode())
    check_job(settings, environment, talk)
    if talk.verbosity >= 0:
        click.echo("logged in, and the job would be allowed; nothing was run")
    return 0


def _resolve(values: Mapping[str, Any], settings: LaunchSettings) -> Iterator[tuple[str, str]]:
    """The settings that count, by the options' names. Code and arguments may hold anything: they are only counted."""
    yield "service", str(settings.service or "an embedded server")
    yield "auth_type", settings.auth_type
    yield "user", settings.user or os_user()
    if settings.auth_type == "challenge":
        yield "secret", settings.secret
    if settings.code is not None:
        yield "py_code", f"{len(settings.code)} characters"
    for name in PLAIN:
        if values[name] is not None:
            yield name, str(values[name])
    if settings.splay_s:
        delay_s = compute_splay(socket.gethostname(), choose_name(settings), settings.splay_s)
        yield "splay", f"{values['splay']}: on this host the launcher would wait {delay_s:.1f} s before its start"
    yield "timeout", "none: it would not wait" if values["timeout"] is None else str(values["timeout"])
    for name in ("stdin", "proxied", "quiet", "verbose"):
        if values[name]:
            yield name, str(values[name]).lower()
    if settings.arguments:
        yield "arguments", str(len(settings.arguments))
