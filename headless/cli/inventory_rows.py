"""The rows of an answer, printed as they come: a table for people, JSON, or CSV."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

import click

from headless.errors import ParameterError
from headless.inventory.dates import build_date
from headless.inventory.questions import Column

__all__ = ["PRINTERS", "choose_form", "form_options", "print_csv", "print_json", "print_table", "tidy"]

Command = TypeVar("Command", bound=Callable[..., Any])
Row = Mapping[str, Any]
MEASURED = 200
"""So many rows are looked at for the widths of a table's columns."""
WIDEST = 60
TEXTS_SHOWN = 3
TIMES = ("first", "last", "received", "retired")
"""What a summary may tell of times."""


def form_options(command: Command) -> Command:
    """``--json`` and ``--csv``, as ``as_json`` and ``as_csv``: see :func:`choose_form`."""
    as_csv = click.option("--csv", "as_csv", is_flag=True, help="CSV, with a head")
    as_json = click.option("--json", "as_json", is_flag=True, help="one JSON document")
    return as_json(as_csv(command))


def choose_form(as_json: bool, as_csv: bool) -> str:
    """A key of ``PRINTERS``.

    Raises:
        ParameterError: both are wanted.
    """
    if as_json and as_csv:
        raise ParameterError("--json or --csv, not both")
    return "json" if as_json else "csv" if as_csv else "table"


def tidy(text: str, kept: str = "") -> str:
    """What hosts have written must not steer a terminal."""
    return "".join(char if char.isprintable() or char in kept else "?" for char in text)


def print_table(columns: Sequence[Column], rows: Iterable[Row], summary: Mapping[str, Any]) -> None:
    """Print what is shown of them, a line each; no head if there are none."""
    rows = iter(rows)
    known = list(islice(rows, MEASURED))
    shown = [column for column in columns if column.is_shown and (not column.is_optional or _is_there(column, known))]
    if not known:
        return
    first = [[_build_cell(column, row[column.name]) for column in shown] for row in known]
    cells = ([_build_cell(column, row[column.name]) for column in shown] for row in rows)
    head = [column.name.replace("_", " ").upper() for column in shown]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(head, *first, strict=True)]
    for line in chain([head], first, cells):
        padded = [
            cell.rjust(width) if column.kind == "number" else cell.ljust(width)
            for column, cell, width in zip(shown, line, widths, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def print_json(columns: Sequence[Column], rows: Iterable[Row], summary: Mapping[str, Any]) -> None:
    """Print one document: an object with the rows, and the summary where there is one."""
    click.echo('{"rows": [', nl=False)
    separator = "\n"
    for row in rows:
        told = {column.name: _build_value(column, row[column.name]) for column in columns}
        click.echo(separator + json.dumps(told), nl=False)
        separator = ",\n"
    times = {name: build_date(value) if name in TIMES and value else value for name, value in summary.items()}
    click.echo(f'\n], "summary": {json.dumps(times)}}}')


def print_csv(columns: Sequence[Column], rows: Iterable[Row], summary: Mapping[str, Any]) -> None:
    """Print a head and a line each (RFC 4180, but ended by LF): the data as they are, but to no terminal."""
    is_terminal = sys.stdout.isatty()
    for line in _write_csv(columns, rows):
        click.echo(tidy(line, "\n") if is_terminal else line, nl=False)


PRINTERS: Mapping[str, Callable[[Sequence[Column], Iterable[Row], Mapping[str, Any]], None]] = {
    "table": print_table,
    "json": print_json,
    "csv": print_csv,
}


def _write_csv(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_build_field(_build_value(column, row[column.name])) for column in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _is_there(column: Column, rows: Iterable[Row]) -> bool:
    return any(row[column.name] is not None for row in rows)


def _build_field(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{version}={hosts}" for version, hosts in value.items())
    return "; ".join(value) if isinstance(value, list) else value


def _build_value(column: Column, value: Any) -> Any:
    return build_date(value) if column.kind == "time" and value is not None else value


def _build_cell(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.kind == "texts":
        more = len(value) - TEXTS_SHOWN
        text = "; ".join(value[:TEXTS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    elif column.kind == "versions":
        is_one = list(value.values()) == [1]
        text = ", ".join(f"{version or '-'}{'' if is_one else f' ({hosts})'}" for version, hosts in value.items())
    else:
        text = str(_build_value(column, value))
    return tidy(text)
