"""The options that say what hosts are judged by, and reading what they name."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from headless.errors import ParameterError
from headless.inventory.advice_files import read_advice
from headless.inventory.dates import parse_date
from headless.inventory.formats import parse_report
from headless.inventory.listing import is_listing, parse_listing
from headless.inventory.reference import Reference, build_reference
from headless.inventory.reference_file import read_reference
from headless.inventory.report import BadReport, Report
from headless.inventory.standard import Standard

__all__ = ["read_report", "read_standard", "standard_options"]

LIMIT = 64 * 2**20
"""The largest report that is read, in bytes."""
OPTIONS = (
    click.option(
        "--reference", "references", multiple=True, metavar="FILE", help="rules: a TOML file; may be repeated"
    ),
    click.option(
        "--like", "models", multiple=True, metavar="REPORT", help="the packages of this report, or of 'show --json'"
    ),
    click.option(
        "--advisories",
        multiple=True,
        metavar="PATH",
        help="of OSV or the Debian tracker: JSON, a folder or ZIP archive",
    ),
    click.option(
        "--vex",
        multiple=True,
        metavar="PATH",
        help="what of --advisories does not count: OpenVEX or CycloneDX JSON; told in --json; may be repeated",
    ),
    click.option("--on", "date", metavar="DATE", help="judge as then: RFC 3339, or a day, which means its end  [now]"),
)


def standard_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that ``read_standard`` takes, by the same names."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def read_standard(
    references: Sequence[str], models: Sequence[str], advisories: Sequence[str], vex: Sequence[str], date: str | None
) -> Standard:
    """Read what the options name.

    Raises:
        ParameterError: nothing is named, or something cannot be read.
    """
    if not (references or models or advisories):
        raise ParameterError("what are they judged by? Give --reference, --like or --advisories")
    return Standard(
        (*map(read_reference, references), *map(_read_model, models)),
        read_advice(advisories, vex),
        parse_date(date) if date else time.time(),
    )


def read_report(path: str) -> Report:
    """Read a report of any format; -: standard input.

    Raises:
        BadReport: it is none.
        ParameterError: it cannot be read.
    """
    return parse_report(_read_file(path))


def _read_model(path: str) -> Reference:
    """Make a reference of a report, or of what ``headless inventory show --json`` has printed."""
    try:
        data = _read_file(path)
        packages = parse_listing(data) if is_listing(data) else parse_report(data).packages
        return build_reference(path, packages)
    except ValueError as exc:
        raise ParameterError(f"{path}: {exc}") from None


def _read_file(path: str) -> bytes:
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LIMIT + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(LIMIT + 1)
    except OSError as exc:
        raise ParameterError(f"{path}: {exc.strerror}") from None
    if len(data) > LIMIT:
        raise BadReport(f"larger than {LIMIT >> 20} MiB")
    return data
