"""The state of every host at a time: the span that began last before it, and whether it was retired."""

from sqlalchemy import ColumnElement, Select, func, select

from headless.inventory.collect.schema import hosts, retirements, spans

__all__ = ["is_retired", "select_states"]


def select_states(at: int, *, retired: bool | None = False) -> Select[tuple[int, int, int, int, int]]:
    """Select ``host_id, first, last, set_id, facts_id``, a row per host that had reported by then.

    Looked up host by host: it takes as long for a history of years as for one of days.

    Args:
        at: seconds since the epoch. A caller narrows it with ``where`` on ``hosts`` columns.
        retired: those that were retired then, instead of the others; ``None``: both.
    """
    earlier = spans.alias()
    newest = select(func.max(earlier.c.first)).where(earlier.c.host_id == hosts.c.id, earlier.c.first <= at)
    states = (
        select(spans.c.host_id, spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id)
        .join(hosts, hosts.c.id == spans.c.host_id)
        .where(spans.c.first == newest.correlate(hosts).scalar_subquery())
    )
    if retired is None:
        return states
    return states.where(is_retired(at) if retired else ~is_retired(at))


def is_retired(at: int) -> ColumnElement[bool]:
    """Whether a host of ``hosts`` is retired at a time."""
    gone = select(retirements.c.host_id).where(retirements.c.begun <= at, retirements.c.ended > at)
    return hosts.c.id.in_(gone)
