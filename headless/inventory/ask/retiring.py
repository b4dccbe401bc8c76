"""Hosts that are no more: retired from a time on, until they report again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, delete, insert, select

from headless.errors import ParameterError
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.retired import find_retirement
from headless.inventory.ask.sides import choose_host, name_host
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, find_hosts
from headless.inventory.collect.access import Scope
from headless.inventory.collect.schema import NEVER, retirements
from headless.inventory.dates import build_date

__all__ = ["Order", "carry_out", "read_order", "write_order"]

KEEPER = Scope("keeper", None, None, False)
"""Who may give such an order may see everything: he can read the collector's files."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    Attributes:
        hosts: named as in a question.
        given: when it was, seconds since the epoch: it may be carried out later, or once more after a kill, and does
            not concern who has reported since.
        at: from when on they are no more, seconds since the epoch; 0: from now on.
        is_undone: they are to be no longer retired, instead.
    """

    hosts: tuple[str, ...]
    given: int
    at: int = 0
    is_undone: bool = False


def write_order(order: Order) -> str:
    """Write an order as text."""
    return json.dumps(asdict(order))


def read_order(text: str) -> Order:
    """Read one."""
    told = json.loads(text)
    return Order(**{**told, "hosts": tuple(told["hosts"])})


def carry_out(connection: Connection, order: Order, now: int) -> list[str]:
    """Retire hosts, or undo it; all of them or, if one cannot be, none.

    Args:
        connection: within a transaction.
        order: what is to be done.
        now: seconds since the epoch.

    Returns:
        A line for each host.

    Raises:
        ParameterError: a name means no host, or several; or a host has reported since the time.
    """
    if order.at > now:
        raise ParameterError(f"{build_date(order.at)} is yet to come: hosts are retired as of now, or a time that was")
    view = View(connection, KEEPER, Memory(), now)
    step: Callable[[View, str, Order], str] = _undo if order.is_undone else _retire
    return [step(view, text, order) for text in order.hosts]


def _retire(view: View, text: str, order: Order) -> str:
    every = find_hosts(view, text)
    if not every and len(gone := find_hosts(replace(view, retired=True), text)) == 1:
        return f"{name_host(gone[0])}: retired already, at {build_date(find_retirement(view, gone[0]))}"
    host = choose_host(view, text, every)
    if known := _find_open(view, host):  # it reported in this very second: it is retired from the next one on
        return f"{name_host(host)}: retired already, at {build_date(known)}"
    if host.last >= order.at if order.at else host.last > order.given:
        last = build_date(host.last)
        raise ParameterError(f"{name_host(host)} has reported at {last}: it cannot be retired from before that on")
    begun = order.at or max(order.given, host.last + 1)
    view.connection.execute(insert(retirements), {"host_id": host.id, "begun": begun, "ended": NEVER})
    return f"{name_host(host)}: retired at {build_date(begun)}, last report {build_date(host.last)}" + _name_others(
        host, every
    )


def _undo(view: View, text: str, _: Order) -> str:
    gone = find_hosts(replace(view, retired=True), text)
    host = choose_host(view, text, gone or find_hosts(view, text))
    if not _find_open(view, host):
        return f"{name_host(host)}: not retired"
    of_host = (retirements.c.host_id == host.id, retirements.c.ended == NEVER)
    view.connection.execute(delete(retirements).where(*of_host))
    return f"{name_host(host)}: no longer retired"


def _find_open(view: View, host: Host) -> int:
    """Since when a host is retired, or will be; 0: it is not."""
    mine = select(retirements.c.begun).where(retirements.c.host_id == host.id, retirements.c.ended == NEVER)
    return view.connection.execute(mine).scalar() or 0


def _name_others(host: Host, every: Sequence[Host]) -> str:
    """Those that go on under the same name: it may be one of them that is meant."""
    others = [other for other in every if (other.site, other.name) == (host.site, host.name) and other.id != host.id]
    told = ", ".join(f"{name_host(other)} (last report {build_date(other.last)})" for other in others)
    return f"; of that name is also {told}" if told else ""
