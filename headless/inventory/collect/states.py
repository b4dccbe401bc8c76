"""The state of every host at a time: the span that began last before it."""

from sqlalchemy import Select, and_, func, select

from headless.inventory.collect.schema import hosts, spans

__all__ = ["select_states"]


def select_states(at: int | None = None) -> Select[tuple[int, int, int, int, int]]:
    """Select ``host_id, first, last, set_id, facts_id``, a row per host that had reported by then.

    Args:
        at: seconds since the epoch; ``None`` for now. A caller narrows it with ``where`` on ``hosts`` columns.
    """
    latest = select(spans.c.host_id, func.max(spans.c.first).label("first"))
    if at is not None:
        latest = latest.where(spans.c.first <= at)
    begun = latest.group_by(spans.c.host_id).subquery()
    return (
        select(spans.c.host_id, spans.c.first, spans.c.last, spans.c.set_id, spans.c.facts_id)
        .join(begun, and_(spans.c.host_id == begun.c.host_id, spans.c.first == begun.c.first))
        .join(hosts, hosts.c.id == spans.c.host_id)
    )
