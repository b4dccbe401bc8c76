"""The collector's administration, on its own machine: take, retire, reprocess, token. Also while it runs."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headless.cli.inventory_group import OneLineGroup
from headless.cli.inventory_output import demand_output, print_now
from headless.cli.inventory_rows import tidy
from headless.cli.serve import default_state
from headless.config import read_environment
from headless.errors import JobFailed, ParameterError, Skipped, TimedOut

if TYPE_CHECKING:
    from headless.inventory.ask.retiring import Order
    from headless.inventory.collect.kept import Item
    from headless.inventory.collect.settings import CollectorSettings
    from headless.inventory.collect.spool import Arrived
    from headless.inventory.collect.worker import Worker

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["collector_options", "open_kept", "read_settings", "reprocess", "retire", "take", "token", "work_off"]

Command = TypeVar("Command", bound=Callable[..., Any])
WAIT_S = 60.0
STATE_HELP = "the collector's state folder  [/var/lib/headless/inventory for root]"
ROLE_HELP = (
    "reader: sees its sites; sender: may send, to feeds that name the token; admin: sees all sites, may send  [reader]"
)
TIME = "%Y-%m-%d %H:%M:%S"


def collector_options(command: Command) -> Command:
    """Where the collector is."""
    state = click.option("--state", default="", metavar="FOLDER", help=STATE_HELP)
    return click.option("--config", default="", metavar="FILE", help="the collector's settings, TOML")(state(command))


def read_settings(config: str, state: str, *, may_be_new: bool = False) -> "CollectorSettings":
    """The collector's settings; without a file, those of a collector in the usual place.

    Args:
        config: the settings file; empty for none.
        state: the state folder; empty for the file's, or the usual one.
        may_be_new: the state folder need not be there, if it was named.

    Raises:
        ParameterError: a setting is of no use, or the state folder is no collector's.
    """
    from headless.inventory.collect.collector import check_state
    from headless.inventory.collect.remembered import recall
    from headless.inventory.collect.settings import read_collector

    is_named = bool(config or state)
    settings = read_collector(
        config, state if is_named else f"{default_state(read_environment().state_folder)}/inventory"
    )
    if not (may_be_new and is_named):
        check_state(settings)
    settings, lost = recall(settings)
    for key in lost:
        click.echo(f"headless: {key}, a key of the collector's, cannot be read: give it in the settings", err=True)
    return settings


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="FILE...")
@click.option("--wait", default=WAIT_S, metavar="SECONDS", help=f"for a collector that runs  [{WAIT_S:g}]")
@click.option("--any-age", is_flag=True, help="also what was made more than 35 days ago, or signed with what has ended")
@click.option("--feed", default="", metavar="NAME", help="as if it had come by this feed of the settings  [file]")
@collector_options
def take(files: Sequence[str], wait: float, any_age: bool, feed: str, config: str, state: str) -> None:
    """Take reports out of files: what came by mail, on a disk, by any relay.

    What is in them is opened and checked as if it had come by the feed NAME: its sites, 'sealed' and 'signers' hold.
    Without --feed it belongs to the built-in feed 'file', which takes all sites, sealed or not, signed or not.

    "replay" is said of a body that has come before: it changes nothing. Exit status 4: one was refused or held.
    """
    demand_output()
    from headless.inventory.collect.feeds import LOCAL
    from headless.inventory.collect.spool import Arrived
    from headless.inventory.named_files import read_named

    settings = read_settings(config, state, may_be_new=True)
    feed = feed or LOCAL
    if feed not in settings.feeds:
        raise ParameterError(f"--feed {feed!r}: the settings have {', '.join(sorted(settings.feeds))} (see --config)")
    bodies = [read_named(path) for path in files]
    items = asyncio.run(_take(settings, bodies, wait, Arrived(int(time.time()), feed, LOCAL, any_age=any_age)))
    for path, item in zip(files, items, strict=True):
        click.echo(f"{path}: replay" if item is None else f"{path}: {item.fate}: {item.reason}")
        if item is not None and item.fate == "stored" and _is_of_no_feed(settings, item):
            click.echo(f"{path}: no feed of the settings takes the site {tidy(item.site)!r}: see --feed", err=True)
    bad = sum(item is not None and item.fate != "stored" for item in items)
    if bad:
        raise JobFailed(f"{bad} of {len(files)} not stored")


@click.command()
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@click.option("--at", default="", metavar="DATE", help="from then on, after its last report  [now]")
@click.option("--undo", is_flag=True, help="of a host that is retired: it is there again")
@click.option("--wait", default=WAIT_S, metavar="SECONDS", help=f"for a collector that runs  [{WAIT_S:g}]")
@collector_options
def retire(hosts: tuple[str, ...], at: str, undo: bool, wait: float, config: str, state: str) -> None:
    """Have hosts be no more: they are not listed, counted or silent from then on, but their past can be asked for.

    A report that comes later brings a host back. HOST is NAME, SITE/NAME or SITE/NAME#NUMBER, the last
    where several machines have the name; all are retired, or none.
    """
    demand_output()
    from headless.inventory.ask.retiring import Order
    from headless.inventory.dates import parse_date

    if at and undo:
        raise ParameterError("--at or --undo, not both: what is undone is as if it had never been")
    begun = parse_date(at) if at else 0
    if begun > time.time() >= parse_date(at, is_start=True):
        begun = 0  # a day means its end: of today, now
    order = Order(hosts, int(time.time()), begun, undo)
    for line in asyncio.run(_order(read_settings(config, state), order, wait)):
        click.echo(tidy(line))


@click.command()
@click.option("--since", default="", metavar="DATE", help="what came since; a day: its beginning, UTC; left out: all")
@collector_options
def reprocess(since: str, config: str, state: str) -> None:
    """Open, check and store once more what is kept: after a key was added, or headless has learned to read more.

    What was stored and cannot be read again stays as it is. Exit status 4: there is such.
    """
    demand_output()
    from headless.inventory.dates import parse_date

    begin = parse_date(since, is_start=True) if since else 0
    settings = read_settings(config, state)
    with open_kept(settings) as kept:
        count = kept.process_again(begin)
    worker = asyncio.run(work_off(settings))
    if worker is None:
        click.echo(f"{count} are processed again by the collector that runs: its log tells what it cannot read again")
        return
    click.echo(f"{count} processed again")
    if worker.unread:
        raise JobFailed(f"{worker.unread} of them could not be read again, and stay as stored: {worker.why_unread}")


@click.group(cls=OneLineGroup)
def token() -> None:
    """Who may ask the collector what: API tokens, and client certificates."""


@token.command(name="add")
@click.argument("name")
@click.option("--role", default="reader", metavar="ROLE", help=ROLE_HELP)
@click.option("--site", "sites", multiple=True, metavar="NAME", help="of this site; again for more; '*': all")
@click.option(
    "--subject",
    default="",
    metavar="DN",
    help="for the holder of this client certificate, in either form: /DC=org/CN=a, CN=a,DC=org; no token is made",
)
@click.option(
    "--expires", default="", metavar="DATE|DAYS", help="it counts until then, or for so many days  [until removed]"
)
@collector_options
def token_add(
    name: str, role: str, sites: tuple[str, ...], subject: str, expires: str, config: str, state: str
) -> None:
    """Make a token, and print it: this once."""
    from headless.inventory.collect.access import Access
    from headless.inventory.dates import parse_end

    if not subject:
        demand_output()
    end = parse_end(expires, time.time()) if expires else 0
    access = Access(read_settings(config, state).access)
    made = access.add(name, role, sites, subject, end)
    for site in sites:
        if any(letter in site for letter in "/#@"):
            click.echo(f"--site {site!r}: no report of headless can name such a site, nor a question", err=True)
    if made:
        try:
            print_now(made)
        except OSError:
            access.remove(name)  # nobody has seen it
            raise


@token.command(name="list")
@collector_options
def token_list(config: str, state: str) -> None:
    """List what is granted; tokens themselves are not known any more."""
    demand_output()
    from headless.inventory.collect.access import Access

    for grant in Access(read_settings(config, state).access).list_grants():
        shown = grant.key if grant.is_subject else "token"
        made = time.strftime(TIME, time.gmtime(grant.made))
        told = f"{grant.name}\t{grant.role}\t{','.join(grant.sites) or '-'}\t{made}\t{shown}"
        click.echo(f"{told}\t{_tell_end(grant.expires, grant.is_over)}")


@token.command(name="remove")
@click.argument("name")
@collector_options
def token_remove(name: str, config: str, state: str) -> None:
    """Take back what is granted; it counts at once."""
    from headless.inventory.collect.access import Access

    Access(read_settings(config, state).access).remove(name)


def _tell_end(expires: int, is_over: bool) -> str:
    word = "ended" if is_over else "until"
    return f"{word} {time.strftime(TIME, time.gmtime(expires))}" if expires else "-"


async def _take(
    settings: "CollectorSettings", bodies: Sequence[bytes], wait_s: float, how: "Arrived"
) -> "list[Item | None]":
    from headless.inventory.collect.collector import make_state
    from headless.inventory.collect.spool import Letter, Spool

    make_state(settings)
    spool = Spool(settings.spool, settings.max_spool)
    try:
        for body in bodies:
            await spool.put(body, how)
    finally:
        await spool.close()
    until = time.monotonic() + wait_s
    while await work_off(settings) is None and spool.list_files():
        if time.monotonic() > until:
            raise TimedOut(f"the collector has not taken them within {wait_s:g} s; it will: they are in its spool")
        await asyncio.sleep(0.2)
    with open_kept(settings) as kept:
        return [kept.find(Letter(how, body)) for body in bodies]


def _is_of_no_feed(settings: "CollectorSettings", item: "Item") -> bool:
    """Whether a report got in by the built-in feed alone; settings without feeds say nothing about sites."""
    from headless.inventory.collect.feeds import LOCAL

    feeds = [feed for name, feed in settings.feeds.items() if name != LOCAL]
    return bool(feeds) and item.feed == LOCAL and not any(feed.takes_site(item.site) for feed in feeds)


async def _order(settings: "CollectorSettings", order: "Order", wait_s: float) -> list[str]:
    from headless.inventory.collect.orders import find_result, give_order

    until = time.monotonic() + wait_s
    with open_kept(settings) as kept:
        number = give_order(kept, order)
        try:
            while True:
                has_worked = await work_off(settings) is not None
                if (lines := find_result(kept, number)) is not None:
                    return lines
                if not has_worked and time.monotonic() > until:
                    raise TimedOut(
                        f"the collector that runs has not answered within {wait_s:g} s, the order is taken back:"
                        " is its database away? See headless inventory hosts --retired"
                    )
                await asyncio.sleep(0.2)
        finally:
            kept.end_order(number)


async def work_off(settings: "CollectorSettings") -> "Worker | None":
    """Process what waits; the worker that has done it, or ``None``: a collector runs, which does."""
    from headless.inventory.collect.collector import open_collector

    logging.getLogger("headless.inventory").addHandler(logging.NullHandler())  # the command tells it itself
    try:
        async with open_collector(settings) as collector:
            await collector.worker.work_off()
            return collector.worker
    except Skipped:
        return None


def open_kept(settings: "CollectorSettings") -> Any:
    """What the collector has kept, to be closed at the end of a block."""
    from headless.inventory.collect.kept import Kept

    return closing(Kept(settings.kept))
