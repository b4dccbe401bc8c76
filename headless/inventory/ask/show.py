"""What is installed on a host."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.gaps import SYSTEM_KINDS
from headless.inventory.ask.page import Answer, Page, cut
from headless.inventory.ask.sides import find_host, list_packages
from headless.inventory.ask.view import View

__all__ = ["ask_show"]


def ask_show(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``show``; its summary tells the host."""
    host = find_host(view, parameters["host"])
    facts = view.memory.find_facts(view.connection, [host.facts_id])[host.facts_id]
    found, key = cut(list_packages(view, host.set_id, parameters.get("kind", "")), tuple, page)
    summary = {"site": host.site, "host": host.name, "id": host.id, "first": host.first, "last": host.last}
    summary |= {"set": host.set_id, **facts._asdict()}
    kind = parameters.get("kind")
    asked = (kind,) if kind else SYSTEM_KINDS
    notes = tuple(f"{host.name} could not read {source}: {why}" for source, why in facts.missing if source in asked)
    if kind and not found and not notes:
        notes = (f"{host.name} has no packages of the kind {kind!r}",)
    return Answer([tuple(package) for package in found], key, summary, notes)
