"""``headless inventory report``: gather, write or send; or print what does so each day."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from headless.cli.inventory_options import OPTIONS, Option
from headless.errors import ParameterError
from headless.launcher.talk import Talk

__all__ = ["add_options", "report"]

EPILOG = """\
Exit status: 0 sent, or written where it was to be; 1 not sent, the line says whether it is kept to be sent by the
next run, or sent, and another that waited could not be; 2 a wrong option, or nothing to report; 5 the collector refuses
who sends it.
"""


def add_options(options: Sequence[Option]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a table."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = _build_option(option)(command)
        return command

    return decorate


def _build_option(option: Option) -> Callable[[Callable[..., None]], Callable[..., None]]:
    words: dict[str, Any] = {"help": option.help}
    if option.is_number:
        words |= {"type": click.IntRange(0, 10**9 - 1), "metavar": option.metavar}
    elif option.choices:
        words |= {"type": click.Choice(option.choices)}
    elif option.metavar:
        words |= {"metavar": option.metavar}
    else:
        words |= {"is_flag": True}
    return click.option(f"--{option.name}", option.variable, multiple=option.is_many, **words)


@click.command(epilog=EPILOG)
@add_options(OPTIONS)
@click.pass_obj
def report(talk: Talk, /, **values: Any) -> None:
    """Gather what is installed on this machine, and write or send it.

    rpm, dpkg, apk and Python packages, the kernel and the system; no root is needed. What cannot be read is named in
    the report with the reason. Without --to and --output it is printed.

    \b
    headless inventory report --site MY-SITE --format json --to https://collector.example.org/feed/
    headless inventory report --site MY-SITE --encrypt collector.crt --to https://collector.example.org/feed/
    headless inventory report --site MY-SITE --format json --to URL --cron > /etc/cron.d/headless-inventory
    """
    if sys.platform == "win32":
        raise ParameterError("packages are reported on POSIX systems only")
    from headless.cli.inventory_reporting import run_report

    options = {option.name: values[option.variable] for option in OPTIONS}
    run_report(talk, options)
