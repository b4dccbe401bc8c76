"""What differs between two sides."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.difference import Change, compare_tallies
from headless.inventory.ask.page import Answer, Key, Page, cut
from headless.inventory.ask.sides import find_side
from headless.inventory.ask.view import View

__all__ = ["ask_diff"]


def ask_diff(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``diff``."""
    kind = parameters.get("kind", "")
    a, b = (find_side(view, parameters[name], kind) for name in ("a", "b"))
    found, key = cut(compare_tallies(a.packages, b.packages, a.hosts, b.hosts), _order, page)
    return Answer([tuple(change) for change in found], key, {"hosts_a": a.hosts, "hosts_b": b.hosts})


def _order(change: Change) -> Key:
    return (change.name, change.kind, change.arch)
