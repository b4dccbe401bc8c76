"""The commands beside the launcher, found by name and imported when used."""

import importlib
import sys
from collections.abc import Sequence

import click

from headless.cli.main import COMMANDS
from headless.errors import ParameterError
from headless.launcher.talk import Talk

__all__ = ["load_command", "run_command"]

POSIX_ONLY = ("audit", "serve", "server", "user")


def run_command(argv: Sequence[str], talk: Talk) -> int:
    """Run ``argv[0]`` with the rest of the arguments; return the exit code.

    Args:
        argv: without the program's name, not empty.
        talk: gets its verbosity from a command that has the options for it.

    Raises:
        ParameterError: there is no such command.
        HeadlessError, click.ClickException: as the command does.
    """
    name = argv[0]
    if name not in COMMANDS:
        import difflib

        close = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean 'headless {close[0]}'?" if close else f"known are {', '.join(sorted(COMMANDS))}."
        raise ParameterError(f"unknown command {name!r}: {hint} A launch begins with an option: see 'headless --help'")
    if sys.platform == "win32" and name in POSIX_ONLY:
        raise ParameterError(f"headless {name} is for POSIX systems only: on Windows, launch with --service HOST:PORT")
    command = load_command(name)
    # Not click's own main(): it would take a closed pipe for an error of its own.
    with command.make_context(f"headless {name}", list(argv[1:]), obj=talk) as context:
        status = command.invoke(context)
    return status if isinstance(status, int) else 0


def load_command(name: str) -> click.Command:
    """Import a command of ``COMMANDS``."""
    command: click.Command = getattr(importlib.import_module(COMMANDS[name]), name)
    return command
