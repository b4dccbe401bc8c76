"""How long hosts kept a list of packages, counted by days: what the course of any package is added up from."""

from typing import Any, NamedTuple

from sqlalchemy import Select, func, or_, select

from headless.inventory.ask.view import View
from headless.inventory.collect.schema import hosts, retirements, spans

__all__ = ["Stay", "Stays", "find_stays"]


class Stay(NamedTuple):
    """Hosts that had a set at the same time.

    Attributes:
        begun: the step in which they began to.
        ended: the step in which they had another; ``None``: they have it still.
        hosts: how many; below 0: so many of them were retired meanwhile.
    """

    begun: int
    ended: int | None
    hosts: int


Stays = dict[int, list[Stay]]
"""By the numbers of sets; those are left out that nobody had in any of the steps."""


def find_stays(view: View, step: int, steps: int) -> Stays:
    """Count the stays of the hosts that may be seen: a look at all spans, whatever the package.

    Args:
        view: of the asker.
        step: seconds of one.
        steps: how many of them are looked at, up to the view's time.
    """
    return view.recall(("stays", step, steps), lambda: _count_stays(view, step, view.at // step - steps))


def _count_stays(view: View, step: int, start: int) -> Stays:
    found: Stays = {}
    for set_id, begun, ended, count in view.connection.execute(_select_stays(view, step, start)):
        found.setdefault(set_id, []).append(Stay(int(begun), None if ended is None else int(ended), count))
    for set_id, retired, back in view.connection.execute(_select_absences(view)):
        if back // step >= start:
            found.setdefault(set_id, []).append(Stay(retired // step, back // step, -1))
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


def _select_absences(view: View) -> Select[Any]:
    """Of each host that was retired: the set that it had, when that was, and when it reported again."""
    later = spans.alias()
    newest = select(func.max(later.c.first)).where(
        later.c.host_id == retirements.c.host_id, later.c.first <= retirements.c.begun
    )
    every = (
        select(spans.c.set_id, retirements.c.begun, retirements.c.ended)
        .join(spans, spans.c.host_id == retirements.c.host_id)
        .where(spans.c.first == newest.correlate(retirements).scalar_subquery(), retirements.c.begun <= view.at)
    )
    if view.scope.reads is None:
        return every
    return every.where(retirements.c.host_id.in_(select(hosts.c.id).where(hosts.c.site_id.in_(list(view.sites)))))
