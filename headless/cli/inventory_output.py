"""What a command is asked to print must reach somebody: nothing is lost in silence."""

import sys

import click

from headless.errors import ParameterError

__all__ = ["demand_output", "print_now"]


def demand_output() -> None:
    """Make sure that there is a standard output: click prints nothing, and says nothing, where there is none.

    Raises:
        ParameterError: it is closed.
    """
    if sys.stdout is None:
        raise ParameterError("standard output is closed: nothing can be printed")


def print_now(text: str) -> None:
    """Print a line, and know that it was taken.

    Raises:
        OSError: it was not.
    """
    click.echo(text)
    sys.stdout.flush()
