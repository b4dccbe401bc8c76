"""The groups of equal hosts of a site, and how each differs from the largest."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select

from headless.inventory.ask.difference import summarize
from headless.inventory.ask.page import Answer, Page, cut
from headless.inventory.ask.sides import list_packages
from headless.inventory.ask.view import View, is_of_sites
from headless.inventory.ask.walking import build_name
from headless.inventory.collect.schema import domains, hosts, spans

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
    usual = list_packages(view, min(numbers, key=lambda set_id: (-numbers[set_id], set_id)))
    examples = _find_examples(view, view.find_site(parameters["site"]), found)
    rows = []
    for set_id in found:
        packages = list_packages(view, set_id)
        rows.append((set_id, numbers[set_id], len(packages), *summarize(usual, packages), examples.get(set_id, "")))
    return Answer(rows, key, summary)


def _find_examples(view: View, site_id: int, set_ids: Collection[int]) -> dict[int, str]:
    """A host that has each set; none, where the last has reported another since the hosts were counted."""
    chosen = view.select_states(spans.c.set_id, func.min(hosts.c.id)).group_by(spans.c.set_id)
    found = chosen.where(is_of_sites([site_id]), spans.c.set_id.in_(set_ids)).subquery()
    named = select(found.c[0], hosts.c.name, domains.c.name).join(hosts, hosts.c.id == found.c[1])
    rows = view.connection.execute(named.join(domains, domains.c.id == hosts.c.domain_id))
    return {set_id: build_name(short, domain) for set_id, short, domain in rows}
