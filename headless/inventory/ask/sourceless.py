"""The hosts that tell no source packages: who asks for one finds nothing on them, though it is there."""

from collections.abc import Collection

from sqlalchemy import select

from headless.inventory.ask.view import Group, View
from headless.inventory.collect.schema import packages
from headless.inventory.selector import Selector

__all__ = ["explain_sourceless"]

WITH_SOURCES = ("rpm", "dpkg", "apk")
"""The kinds that tell them, in the formats that do."""


def explain_sourceless(
    view: View, selector: Selector, kind: str, groups: Collection[Group], held: Collection[int]
) -> tuple[str, ...]:
    """A note on the hosts that may have a source package and cannot say so; none if there are none.

    Args:
        view: of the asker.
        selector: what was asked for.
        kind: of this kind of packages only; empty for all.
        groups: the hosts that were asked about.
        held: the sets of those of them that are known to have it.
    """
    kinds = [name for name in WITH_SOURCES if kind in ("", name)]
    others = [group for group in groups if group.set_id not in held]
    if not selector.is_source or not kinds or not others:
        return ()
    silent = _find_sourceless(view, kinds, {group.set_id for group in others})
    number = sum(group.hosts for group in others if group.set_id in silent)
    if not number:
        return ()
    hosts, them = ("host tells", "it") if number == 1 else ("hosts tell", "them")
    return (f"{number} {hosts} no source packages and may have it: let {them} report with --format json",)


def _find_sourceless(view: View, kinds: Collection[str], set_ids: Collection[int]) -> set[int]:
    bare: set[int] = set()
    sourced: set[int] = set()
    statement = select(packages.c.id, packages.c.source != "").where(packages.c.kind.in_(kinds))
    for number, has_source in view.connection.execute(statement):
        (sourced if has_source else bare).add(number)
    return {
        set_id
        for set_id, members in view.memory.iterate_members(view.connection, set_ids)
        if sourced.isdisjoint(members) and not bare.isdisjoint(members)
    }
