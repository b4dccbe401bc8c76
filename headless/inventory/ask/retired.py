"""When hosts were retired."""

from collections.abc import Collection

from sqlalchemy import func, select

from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host
from headless.inventory.collect.numbering import slices
from headless.inventory.collect.schema import retirements

__all__ = ["find_retirement", "find_retirements"]

SLICE = 500


def find_retirements(view: View, host_ids: Collection[int]) -> dict[int, int]:
    """For those of some hosts that are retired at the view's time, since when."""
    found: dict[int, int] = {}
    for part in slices(sorted(host_ids), SLICE):
        gone = (
            select(retirements.c.host_id, func.max(retirements.c.begun))
            .where(retirements.c.host_id.in_(part))
            .where(retirements.c.begun <= view.at, retirements.c.ended > view.at)
            .group_by(retirements.c.host_id)
        )
        found.update((host_id, begun) for host_id, begun in view.connection.execute(gone))
    return found


def find_retirement(view: View, host: Host) -> int:
    """Since when a host is retired that is, at the view's time; 0: it is not."""
    return find_retirements(view, [host.id]).get(host.id, 0)
