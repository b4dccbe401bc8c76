"""What fell short, printed; and the exit code that says so."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from headless.errors import JobFailed
from headless.inventory.reference import State
from headless.inventory.verdict import EXCEPTED, Row, falls_short, format_row

__all__ = ["FAIL_ON", "fail_on_option", "finish", "print_rows"]

FAIL_ON = (State.EARLY.value, State.DUE.value, State.OVERDUE.value)


def fail_on_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that says from which state on a shortfall is a failure."""
    return click.option(
        "--fail-on",
        type=click.Choice(FAIL_ON),
        default=State.DUE.value,
        show_default=True,
        help="from when on a shortfall is a failure: before its deadline too, after it, or after the days of grace. "
        "What is not known or vulnerable always is",
    )(command)


def print_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print a line a row for people, or one JSON list of objects; what is excepted is told there only."""
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=1))
        return
    for row in rows:
        if row.state != EXCEPTED:
            click.echo(format_row(row))


def finish(rows: Sequence[Row], hosts: int, fail_on: str) -> None:
    """End a command as its rows demand.

    Args:
        hosts: how many were judged.

    Raises:
        JobFailed: something falls short.
    """
    if falls_short(rows, State(fail_on)):
        bad = len({(row.site, row.host) for row in rows if falls_short([row], State(fail_on))})
        noun, verb = "host" if hosts == 1 else "hosts", "falls" if bad == 1 else "fall"
        raise JobFailed(f"{bad} of {hosts} {noun} {verb} short")
