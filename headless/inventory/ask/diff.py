"""What differs between two sides."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.difference import Change, compare_tallies
from headless.inventory.ask.page import Answer, Key, Page, cut
from headless.inventory.ask.sides import find_side
from headless.inventory.ask.view import View

__all__ = ["ask_diff"]


def ask_diff(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``diff``. Its summary tells what could not be read: what nobody of a side has read is not compared."""
    kind = parameters.get("kind", "")
    a, b = (find_side(view, parameters[name], kind) for name in ("a", "b"))
    kinds = {package.kind for side in (a, b) for package in side.packages}
    unread = {name for side in (a, b) for name, hosts in side.unread.items() if hosts == side.hosts}
    of_a, of_b = ({one: hosts for one, hosts in side.packages.items() if one.kind not in unread} for side in (a, b))
    found, key = cut(compare_tallies(of_a, of_b, a.hosts, b.hosts), _order, page)
    summary: dict[str, Any] = {"hosts_a": a.hosts, "hosts_b": b.hosts}
    for name, side in (("unread_a", a), ("unread_b", b)):
        if told := {name: hosts for name, hosts in sorted(side.unread.items()) if name in kinds}:
            summary[name] = told
    return Answer([tuple(change) for change in found], key, summary)


def _order(change: Change) -> Key:
    return (change.name, change.kind, change.arch)
