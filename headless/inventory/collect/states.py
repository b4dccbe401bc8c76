"""The state of every host at a time: the span that began last before it."""

from sqlalchemy import Select, func, select

from headless.inventory.collect.schema import hosts, spans

__all__ = ["select_states"]


def select_states(at: int | None = None) -> Select[tuple[int, int, int, int, int]]:
    """Select ``host_id, first, last, set_id, facts_id``, a row per host that had reported by then.

    Looked up host by host: it takes as long for a history of years as for one of days.

    Args:
        at: seconds since the epoch; ``None`` for now. A caller narrows it with ``where`` on ``hosts`` columns.
    """
    earlier = spans.alias()
    newest = select(func.max(earlier.c.first)).where(earlier.c.host_id == hosts.c.id)
    if at is not None:
        newest = newest.where(earlier.c.first <= at)
    return (
        select(spans.c.host_id, spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id)
        .join(hosts, hosts.c.id == spans.c.host_id)
        .where(spans.c.first == newest.correlate(hosts).scalar_subquery())
    )
