"""How long hosts kept a list of packages, counted by days: what the course of any package is added up from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, func, or_, select

from headless.inventory.ask.view import View
from headless.inventory.collect.schema import hosts, spans

__all__ = ["FRESH_S", "Stay", "Stays", "find_stays"]

FRESH_S = 60
"""For which what was counted is used again: it takes a look at all spans, whatever the package."""


class Stay(NamedTuple):
    """Hosts that had a set at the same time.

    Attributes:
        begun: the step in which they began to.
        ended: the step in which they had another; ``None``: they have it still.
        hosts: how many.
    """

    begun: int
    ended: int | None
    hosts: int


@dataclass(frozen=True, slots=True)
class Stays:
    """What was counted.

    Attributes:
        at: when, seconds since the epoch: what came later is not in it.
        by_set: by a set's number; sets are left out that nobody had in any of the steps.
    """

    at: int
    by_set: Mapping[int, Sequence[Stay]]


def find_stays(view: View, step: int, steps: int) -> Stays:
    """Count the stays of the hosts that may be seen, or take what was counted a minute ago.

    Args:
        view: of the asker.
        step: seconds of one.
        steps: how many of them are looked at, up to the view's time.
    """
    key = ("stays", step, steps, view.scope.reads is None, tuple(view.sites))
    known: Stays | None = view.memory.results.get(key)
    if known is not None and known.at <= view.at <= known.at + FRESH_S:
        return known
    by_set: defaultdict[int, list[Stay]] = defaultdict(list)
    rows = 0
    for set_id, begun, ended, count in view.connection.execute(_select_stays(view, step, view.at // step - steps)):
        by_set[set_id].append(Stay(int(begun), None if ended is None else int(ended), count))
        rows += 1
    found = Stays(view.at, dict(by_set))
    view.memory.results.put(key, found, rows)
    return found


def _select_stays(view: View, step: int, start: int) -> Select[Any]:
    following = func.lead(spans.c.first, type_=spans.c.first.type).over(
        partition_by=spans.c.host_id, order_by=spans.c.first
    )
    every = select(spans.c.set_id, (spans.c.first // step).label("begun"), (following // step).label("ended"))
    every = every.where(spans.c.first <= view.at)
    if view.scope.reads is not None:
        every = every.where(spans.c.host_id.in_(select(hosts.c.id).where(hosts.c.site_id.in_(list(view.sites)))))
    stays = every.subquery()
    columns = (stays.c.set_id, stays.c.begun, stays.c.ended)
    counted = select(*columns, func.count()).where(or_(stays.c.ended.is_(None), stays.c.ended >= start))
    return counted.group_by(*columns)
