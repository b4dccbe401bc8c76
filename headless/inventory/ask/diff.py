"""What differs between two sides."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.difference import Change, compare_tallies
from headless.inventory.ask.page import Answer, Key, Ordered, Page, order
from headless.inventory.ask.sides import find_side
from headless.inventory.ask.view import View

__all__ = ["ask_diff"]


def ask_diff(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``diff``."""
    ordered = view.recall(("diff", *sorted(parameters.items())), lambda: _compare(view, parameters))
    found, key = ordered.take(page)
    return Answer([tuple(change) for change in found], key, ordered.summary)


def _compare(view: View, parameters: Mapping[str, Any]) -> Ordered:
    a, b = (find_side(view, parameters[name], parameters.get("kind", "")) for name in ("a", "b"))
    changes = compare_tallies(a.packages, b.packages, a.hosts, b.hosts)
    return order(changes, _order, {"hosts_a": a.hosts, "hosts_b": b.hosts})


def _order(change: Change) -> Key:
    return (change.name, change.kind, change.arch)
