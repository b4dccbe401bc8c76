"""The versions of a package, by site."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from headless.errors import ParameterError
from headless.inventory.ask.counting import find_sets
from headless.inventory.ask.gaps import SYSTEM_KINDS, explain_unread
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.page import Answer, Key, Ordered, Page
from headless.inventory.ask.sourceless import explain_sourceless
from headless.inventory.ask.view import View
from headless.inventory.selector import Selector, parse_selector
from headless.inventory.versions import sort_key

__all__ = ["ask_census", "find_selector"]


def ask_census(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``census``: by site, the oldest version first."""
    ordered = view.recall(("census", *sorted(parameters.items())), lambda: _count(view, parameters))
    found, key = ordered.take(page)
    return Answer([(*row, hosts) for row, hosts in found], key, notes=ordered.notes)


def _count(view: View, parameters: Mapping[str, Any]) -> Ordered:
    groups = view.list_groups(parameters)
    selector = find_selector(parameters["package"])
    kind = parameters.get("kind", "")
    named = find_named(view, selector, kind)
    held = find_sets(view, {group.set_id for group in groups}, named)
    counts: Counter[tuple[int, int]] = Counter()
    for group in groups:
        for package_id in held.get(group.set_id, ()):
            counts[group.site_id, package_id] += group.hosts
    rows: Counter[tuple[str, ...]] = Counter()
    for (site_id, package_id), hosts in counts.items():
        package = named[package_id]
        version = selector.version_of(package)
        rows[view.sites[site_id], package.kind, package.name, version, package.arch] += hosts
    ranks = {(kind, version): _rank_version(kind, version) for kind, version in {(row[1], row[3]) for row in rows}}
    ordered = sorted(rows.items(), key=lambda item: (*item[0][:3], ranks[item[0][1], item[0][3]], item[0][4]))
    notes = explain_sourceless(view, selector, kind, groups, held)
    kinds = {kind} if kind else {package.kind for package in named.values()} or SYSTEM_KINDS
    notes += explain_unread(groups, view.find_facts(groups), kinds)
    return Ordered([(item[0], item) for item in ordered], notes=notes, rank=_rank)


def _rank(key: Key) -> Key:
    """What a row's site, kind, name, version and architecture are ordered by."""
    site, kind, name, version, arch = map(_expect_text, key)
    return site, kind, name, _rank_version(kind, version), arch


def _rank_version(kind: str, version: str) -> tuple[Any, str]:
    return sort_key(kind)(version), version  # some that are written otherwise are equal


def _expect_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def find_selector(text: str) -> Selector:
    """A name; one that could be no selector is taken as it is, for hosts may have called a package so."""
    try:
        return parse_selector(text)
    except ParameterError:
        return Selector(text)
