"""The groups of equal hosts of a site, and how each differs from the largest."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from headless.inventory.ask.difference import summarize
from headless.inventory.ask.gaps import SYSTEM_KINDS, explain_unread, find_unread
from headless.inventory.ask.memory import Facts
from headless.inventory.ask.page import Answer, Page, cut
from headless.inventory.ask.sides import list_packages
from headless.inventory.ask.view import Group, View, is_of_sites
from headless.inventory.ask.walking import build_name
from headless.inventory.collect.schema import domains, hosts, spans
from headless.inventory.package import Package

__all__ = ["ask_drift"]

MOST = 200
"""Rows of a page: each may tell of many packages."""


def ask_drift(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``drift``: the largest group first. Its summary tells how many groups and hosts there are."""
    groups = view.list_groups(parameters)
    numbers: Counter[int] = Counter()
    for group in groups:
        numbers[group.set_id] += group.hosts
    found, key = cut(numbers, lambda set_id: (-numbers[set_id], set_id), page._replace(limit=min(page.limit, MOST)))
    summary = {"groups": len(numbers), "hosts": numbers.total()}
    if not found:
        return Answer([], summary=summary)
    largest = min(numbers, key=lambda set_id: (-numbers[set_id], set_id))
    usual = list_packages(view, largest)
    told = view.find_facts(groups)
    unread = _find_unread({largest, *found}, groups, told)
    examples = _find_examples(view, view.find_site(parameters["site"]), found)
    rows = []
    for set_id in found:
        packages = list_packages(view, set_id)
        changes = _compare(usual, packages, unread[set_id], unread[largest] if set_id != largest else {})
        rows.append((set_id, numbers[set_id], len(packages), *changes, examples.get(set_id, "")))
    notes = explain_unread(groups, told, SYSTEM_KINDS)
    return Answer(rows, key, summary, notes)


def _find_unread(
    set_ids: Collection[int], groups: Sequence[Group], told: Mapping[int, Facts]
) -> dict[int, dict[str, str]]:
    """For each set the kinds that hosts with it could not read, and of how many that is said; empty: of all."""
    by_set: dict[int, list[Group]] = {set_id: [] for set_id in set_ids}
    for group in groups:
        if group.set_id in by_set:
            by_set[group.set_id].append(group)
    found = {}
    for set_id, some in by_set.items():
        hosts = sum(group.hosts for group in some)
        unread = sorted(find_unread(some, told).items())
        found[set_id] = {kind: "" if number == hosts else f"{number} of {hosts}" for kind, number in unread}
    return found


def _compare(
    usual: Collection[Package],
    packages: Collection[Package],
    unread: Mapping[str, str],
    unread_usual: Mapping[str, str],
) -> tuple[int, int, int, list[str]]:
    """What differs, see :func:`summarize`; what nobody of a side could read is not compared, and told.

    Args:
        unread, unread_usual: see :func:`_find_unread`.
    """
    skipped = {kind for side in (unread, unread_usual) for kind, some in side.items() if not some}
    a, b = ([package for package in side if package.kind not in skipped] for side in (usual, packages))
    added, removed, changed, words = summarize(a, b)
    known = {package.kind for package in usual}.union(SYSTEM_KINDS)
    gaps = [f"? {kind} was not read{some and f' by {some}'}" for kind, some in unread.items() if kind in known]
    there = {package.kind for package in packages}.difference(unread)
    gaps += [
        f"? {kind} was not read by {some or 'any'} of the largest"
        for kind, some in unread_usual.items()
        if kind in there
    ]
    return added, removed, changed, gaps + words


def _find_examples(view: View, site_id: int, set_ids: Collection[int]) -> dict[int, str]:
    """A host that has each set; none, where the last has reported another since the hosts were counted."""
    chosen = view.select_states(spans.c.set_id, func.min(hosts.c.id)).group_by(spans.c.set_id)
    found = chosen.where(is_of_sites([site_id]), spans.c.set_id.in_(set_ids)).subquery()
    named = select(found.c[0], hosts.c.name, domains.c.name).join(hosts, hosts.c.id == found.c[1])
    rows = view.connection.execute(named.join(domains, domains.c.id == hosts.c.domain_id))
    return {set_id: build_name(short, domain) for set_id, short, domain in rows}
