"""The packages, with the number of hosts that have each."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.counting import count_packages, find_sets
from headless.inventory.ask.gaps import SYSTEM_KINDS, explain_unread
from headless.inventory.ask.page import Answer, Ordered, Page, order
from headless.inventory.ask.sourceless import explain_sourceless
from headless.inventory.ask.view import View, count_sets
from headless.inventory.package import Package
from headless.inventory.selector import Selector, parse_selector

__all__ = ["ask_packages"]


def ask_packages(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``packages``."""
    ordered = view.recall(("packages", *sorted(parameters.items())), lambda: _count(view, parameters))
    found, key = ordered.take(page)
    return Answer([(*package, hosts) for package, hosts in found], key, notes=ordered.notes)


def _count(view: View, parameters: Mapping[str, Any]) -> Ordered:
    pattern, kind = parameters.get("pattern"), parameters.get("kind", "")
    selector = parse_selector(pattern) if pattern else Selector("*")
    groups = view.list_groups(parameters)
    counts = count_packages(view, count_sets(groups))
    known = view.memory.find_packages(view.connection, counts)
    chosen = {
        number: package
        for number, package in known.items()
        if kind in ("", package.kind) and (not pattern or selector.matches(package))
    }
    held = find_sets(view, {group.set_id for group in groups}, chosen) if selector.is_source else ()
    notes = explain_sourceless(view, selector, kind, groups, held)
    notes += explain_unread(groups, view.find_facts(groups), (kind,) if kind else SYSTEM_KINDS)
    rows = [(package, counts[number]) for number, package in chosen.items()]
    return order(rows, lambda item: _order(item[0]), notes=notes)


def _order(package: Package) -> tuple[str, ...]:
    return (package.name, package.kind, *package[2:])
