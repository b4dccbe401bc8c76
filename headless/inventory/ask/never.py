"""Packages that no host has ever reported: most of the time a name that is written wrong."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from headless.inventory.ask.census import find_selector
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.view import View
from headless.inventory.collect.schema import hosts, spans
from headless.inventory.requirement import parse_requirement
from headless.inventory.selector import Selector

__all__ = ["explain_never"]


def explain_never(view: View, parameters: Mapping[str, Any]) -> Iterator[str]:
    """A line on the one package that was asked for, if no host that the asker may see has ever reported it."""
    if "requirement" in parameters:
        selector = parse_requirement(parameters["requirement"]).selector
    elif "package" in parameters:
        selector = find_selector(parameters["package"])
    else:
        return
    if selector.is_literal and not _was_reported(view, selector):
        yield f"no host that you may see has ever reported a package {str(selector)[:80]!r}"


def _was_reported(view: View, selector: Selector) -> bool:
    named = find_named(view, selector, "").keys()
    if not named or view.scope.reads is None:
        return bool(named)
    # Others have it: they make no difference to what is said.
    mine = select(hosts.c.id).where(hosts.c.site_id.in_(list(view.sites)))
    set_ids = view.connection.execute(select(spans.c.set_id).where(spans.c.host_id.in_(mine)).distinct()).scalars()
    found = view.memory.iterate_members(view.connection, set(set_ids))
    return any(not named.isdisjoint(members) for _, members in found)
