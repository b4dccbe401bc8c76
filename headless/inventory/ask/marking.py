"""What the pages mark as known to be vulnerable: on a host, of a package, at a site.

Each function returns ``None`` where the collector has no advisories, or has not read them yet, or cannot.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from headless.errors import Unavailable
from headless.inventory.ask.census import find_selector
from headless.inventory.ask.counting import find_sets
from headless.inventory.ask.marks import Marks, System, find_system
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.sides import find_host
from headless.inventory.ask.view import Group, View
from headless.inventory.ask.vulnerable import count_vulnerable
from headless.inventory.package import Package

__all__ = ["HostMarks", "VersionKey", "mark_host", "mark_site", "mark_versions"]

VersionKey = tuple[str, str, str, str, str]
"""Site, kind, name, version and architecture: what a row of the census is about."""


class HostMarks(NamedTuple):
    """What is known of a host.

    Attributes:
        found: its vulnerable packages, with the advisories.
        gap: why not all can be said; empty if it can.
    """

    found: Mapping[Package, list[str]]
    gap: str


def mark_host(view: View, text: str) -> HostMarks | None:
    """Mark a host's packages.

    Raises:
        ParameterError: there is no such host, or there are several.
    """
    marks = _find_marks(view)
    if marks is None:
        return None
    host = find_host(view, text)
    [marked] = marks.judge_groups(view, [Group(host.site_id, host.set_id, host.facts_id, 1)])
    by_package: defaultdict[Package, list[str]] = defaultdict(list)
    for found in marked.list_counted():
        by_package[found.package].append(str(found))
    return HostMarks(by_package, marked.gap)


def mark_site(view: View, site: str) -> dict[str, Any] | None:
    """How many hosts of a site are vulnerable: see ``count_vulnerable``."""
    marks = _find_marks(view)
    return count_vulnerable(marks.judge_groups(view, view.list_groups({"site": site}))) if marks else None


def mark_versions(view: View, text: str) -> dict[VersionKey, list[str]] | None:
    """The advisories about the versions of a package that there are, on the systems where they are."""
    marks = _find_marks(view)
    if marks is None:
        return None
    selector = find_selector(text)
    groups = view.list_groups({})
    named = find_named(view, selector, "")
    held = find_sets(view, {group.set_id for group in groups}, named)
    chosen = [group for group in groups if group.set_id in held]
    told = view.find_facts(chosen)
    places: defaultdict[System, set[tuple[int, int]]] = defaultdict(set)
    for group in chosen:
        places[find_system(told[group.facts_id])].update((group.site_id, number) for number in held[group.set_id])
    found: defaultdict[VersionKey, set[str]] = defaultdict(set)
    for system, pairs in places.items():
        said = marks.find_packages(system, {named[number] for _, number in pairs})
        for site_id, number in pairs:
            package = named[number]
            key = (view.sites[site_id], package.kind, package.name, selector.version_of(package), package.arch)
            found[key].update(str(item) for item in said.get(package, ()) if not item.exception)
    return {key: sorted(texts) for key, texts in found.items() if texts}


def _find_marks(view: View) -> Marks | None:
    try:
        return view.marks() if view.marks else None
    except Unavailable:
        return None
