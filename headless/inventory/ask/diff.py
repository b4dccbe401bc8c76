"""What differs between two sides."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.difference import Change, compare_tallies
from headless.inventory.ask.page import Answer, Key, Ordered, Page, order
from headless.inventory.ask.sides import find_side
from headless.inventory.ask.view import View

__all__ = ["ask_diff"]


def ask_diff(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``diff``. Its summary tells what could not be read: what nobody of a side has read is not compared."""
    ordered = view.recall(("diff", *sorted(parameters.items())), lambda: _compare(view, parameters))
    found, key = ordered.take(page)
    return Answer([tuple(change) for change in found], key, ordered.summary)


def _compare(view: View, parameters: Mapping[str, Any]) -> Ordered:
    a, b = (find_side(view, parameters[name], parameters.get("kind", "")) for name in ("a", "b"))
    kinds = {package.kind for side in (a, b) for package in side.packages}
    unread = {name for side in (a, b) for name, hosts in side.unread.items() if hosts == side.hosts}
    of_a, of_b = ({one: hosts for one, hosts in side.packages.items() if one.kind not in unread} for side in (a, b))
    summary: dict[str, Any] = {"hosts_a": a.hosts, "hosts_b": b.hosts}
    for name, side in (("unread_a", a), ("unread_b", b)):
        if told := {name: hosts for name, hosts in sorted(side.unread.items()) if name in kinds}:
            summary[name] = told
    return order(compare_tallies(of_a, of_b, a.hosts, b.hosts), _order, summary)


def _order(change: Change) -> Key:
    return (change.name, change.kind, change.arch)
