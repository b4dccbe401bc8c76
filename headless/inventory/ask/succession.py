"""Whose a name is that several machines of a site have had: a host that was installed anew has a new machine id."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, select

from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host
from headless.inventory.collect.schema import spans
from headless.inventory.collect.timeline import HORIZON_S, unpack_times

__all__ = ["find_holders"]


def find_holders(view: View, found: Sequence[Host]) -> list[Host]:
    """Leave out the hosts that had lost their name by the view's time.

    The host of a site and name that reported last holds the name, with those that have reported since it first did:
    they are two hosts. What had said nothing since then was replaced by it.
    """
    by_name: defaultdict[tuple[str, str], list[Host]] = defaultdict(list)
    for host in found:
        by_name[host.site, host.name].append(host)
    return [host for group in by_name.values() for host in (_leave_out(view, group) if len(group) > 1 else group)]


def _leave_out(view: View, group: Sequence[Host]) -> list[Host]:
    begins = select(spans.c.host_id, func.min(spans.c.first).label("first")).where(
        spans.c.host_id.in_([host.id for host in group])
    )
    begun = {row.host_id: row.first for row in view.connection.execute(begins.group_by(spans.c.host_id))}
    heard = {host.id: _find_last(view, host) for host in group}
    newest = max(group, key=lambda host: (heard[host.id], begun[host.id]))
    return [host for host in group if heard[host.id] >= begun[newest.id]]


def _find_last(view: View, host: Host) -> int:
    """When a host had reported last by the view's time, as far as that is known: old times are not kept."""
    if host.last <= view.at:
        return host.last
    if view.at < host.last - HORIZON_S:
        return view.at
    mine = select(spans.c.times).where(spans.c.host_id == host.id, spans.c.first == host.first)
    times = unpack_times(host.first, host.last, view.connection.execute(mine).scalar_one())
    return max(time for time in times if time <= view.at)
