"""``headless inventory review``: decide on the reports that are held."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headless.cli.group import OneLineGroup
from headless.cli.inventory_admin import collector_options, open_kept, read_settings, work_off
from headless.cli.inventory_output import demand_output
from headless.cli.inventory_rows import PRINTERS, choose_form, form_options, tidy
from headless.errors import ParameterError
from headless.inventory.dates import parse_date
from headless.inventory.questions import Column

if TYPE_CHECKING:
    from headless.inventory.collect.kept import Item
    from headless.inventory.package import Package

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["review"]

LETTER = (Column("id", "number"), Column("received", "time"), Column("site"), Column("host"))
SENDER = (Column("token"), Column("certificate"))
REFUSED = (*LETTER, Column("feed"), Column("address"), *SENDER, Column("reason"))
HELD = (
    *LETTER,
    Column("feed", is_shown=False),
    Column("address", is_shown=False),
    Column("reason"),
    Column("gone", "texts"),
)
LIMIT = 1000
"""Letters that are listed."""
ID = click.IntRange(1, 10**18)  # databases take 64 bits
GONE = (Column("kind"), Column("name"), Column("version"), Column("arch"))


@click.group(cls=OneLineGroup)
def review() -> None:
    """Decide on the reports that are held: lists that have shrunk too much."""


@review.command(name="list")
@click.option("--refused", "is_refused", is_flag=True, help="those that are refused, and why, instead")
@click.option("--since", default="", metavar="DATE", help="that came since; a day: its beginning")
@click.option(
    "--limit", default=LIMIT, metavar="NUMBER", type=click.IntRange(1, 10**6), help=f"the newest so many  [{LIMIT}]"
)
@form_options
@collector_options
def review_list(is_refused: bool, since: str, limit: int, as_json: bool, as_csv: bool, config: str, state: str) -> None:
    """List the reports that are held, with the names of what their hosts had before and is not in them."""
    demand_output()
    form = choose_form(as_json, as_csv)
    from headless.inventory.collect.kept import Fate

    fate = Fate.REFUSED if is_refused else Fate.HELD
    begin = parse_date(since, is_start=True) if since else 0
    with open_kept(read_settings(config, state)) as kept:
        items = kept.list_newest(fate, since=begin, limit=limit + 1)
        names = [sorted({package.name for package in kept.find_gone(item.id)}) for item in items[-limit:]]
    rows = [_build_row(item, gone) for item, gone in zip(items[-limit:], names, strict=True)]
    PRINTERS[form](REFUSED if is_refused else HELD, rows, {})
    if len(items) > limit:
        click.echo(f"headless: there are more than the newest {limit}, which are listed: see --limit", err=True)


@review.command(name="show")
@click.argument("number", type=ID, metavar="ID")
@form_options
@collector_options
def review_show(number: int, as_json: bool, as_csv: bool, config: str, state: str) -> None:
    """Show all that a host had before and is not in a report that is held."""
    demand_output()
    form = choose_form(as_json, as_csv)
    with open_kept(read_settings(config, state)) as kept:
        held, gone = _find_held(kept, number), kept.find_gone(number)
    if not gone and form == "table":
        click.echo(f"what is gone was not kept with {number}, which is held because: {tidy(held.reason)}", err=True)
    rows = [_build_package(package) for package in gone]
    PRINTERS[form](GONE, rows, _build_row(held, []) | {"gone": len(rows)} if form == "json" else {})


def _decide(name: str, fate: str, text: str) -> click.Command:
    @click.command(name=name, help=text)
    @click.argument("numbers", nargs=-1, required=True, type=ID, metavar="ID...")
    @collector_options
    def decide(numbers: Sequence[int], config: str, state: str) -> None:
        from headless.inventory.collect.kept import Fate

        settings = read_settings(config, state)
        with open_kept(settings) as kept:
            unknown = [number for number in numbers if not kept.decide(number, Fate(fate), f"{fate} by a reviewer")]
        asyncio.run(work_off(settings))
        if unknown:
            raise _not_held(unknown)

    return decide


review.add_command(_decide("accept", "accepted", "Store reports that are held."))
review.add_command(_decide("refuse", "refused", "Refuse reports that are held; they are kept like others, not stored."))


def _find_held(kept: Any, number: int) -> "Item":
    from headless.inventory.collect.kept import Fate

    item: Item | None = kept.get(number)
    if item is None or item.fate is not Fate.HELD:
        raise _not_held([number])
    return item


def _not_held(numbers: Sequence[int]) -> ParameterError:
    return ParameterError(f"not held: {', '.join(map(str, numbers))}: see headless inventory review list")


def _build_row(item: "Item", names: list[str]) -> dict[str, Any]:
    told = {column.name: getattr(item, column.name) for column in (*HELD[:-1], *SENDER)}
    return {**told, "gone": names}


def _build_package(package: "Package") -> dict[str, Any]:
    return {column.name: getattr(package, column.name) for column in GONE}
