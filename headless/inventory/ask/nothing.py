"""Why an answer is empty, where what was asked for cannot be found: hosts, a tag, a kind, a package."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from headless.inventory.ask.never import explain_never
from headless.inventory.ask.view import View
from headless.inventory.collect.schema import hosts, packages

__all__ = ["explain_nothing", "has_hosts"]

SHOWN = 8
"""Tags that are named."""


def explain_nothing(view: View, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on an empty answer: a line for each of tag, kind and package that no host that the asker may see has.

    What others have makes no difference to what is said.
    """
    named = bool(parameters.get("tag") or parameters.get("kind"))
    found = _explain(replace(view, seen_since=0, retired=None), parameters) if named else ()
    return (*found, *explain_never(view, parameters))


def has_hosts(view: View, parameters: Mapping[str, Any]) -> bool:
    """Whether there are any hosts that a question was asked about. They are counted only where a tag chooses them."""
    if parameters.get("tag"):
        return bool(view.list_groups(parameters))
    site_ids = [view.find_site(parameters["site"])] if "site" in parameters else list(view.sites)
    found = view.narrow(view.select_states(hosts.c.id), site_ids).limit(1)
    return bool(site_ids) and view.connection.execute(found).first() is not None


def _explain(view: View, parameters: Mapping[str, Any]) -> Iterator[str]:
    tag, kind, site = (parameters.get(name, "") for name in ("tag", "kind", "site"))
    groups = view.list_groups({"site": site} if "site" in parameters else {})
    where = f"no host of {site[:80]!r}" if "site" in parameters else "no host that you may see"
    known = {facts.tag for facts in view.find_facts(groups).values()} if tag else set()
    if tag and tag not in known:
        yield f"{where} has the tag {tag[:80]!r}{_list_some(known)}"
    if kind and not _has_kind(view, kind, {group.set_id for group in groups}):
        yield f"{where} has packages of the kind {kind!r}"


def _list_some(tags: Iterable[str]) -> str:
    named = sorted(tag for tag in tags if tag)
    return f": there are {', '.join(named[:SHOWN])}{' and others' if len(named) > SHOWN else ''}" if named else ""


def _has_kind(view: View, kind: str, set_ids: set[int]) -> bool:
    wanted = frozenset(view.connection.execute(select(packages.c.id).where(packages.c.kind == kind)).scalars())
    found = (not wanted.isdisjoint(members) for _, members in view.memory.iterate_members(view.connection, set_ids))
    return bool(wanted) and any(found)
