"""The hosts that have not reported when they meant to."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, answer_by_host
from headless.inventory.dates import DAY_S

__all__ = ["ask_silent", "find_bounds"]

PATIENCE = 1.5
"""A host is silent once so many times its interval has passed: chance and a slow network are no silence."""


def ask_silent(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``silent``. A host that has not told its interval is taken to report daily."""
    groups = view.list_groups(parameters)
    told = view.find_facts(groups)
    since = parameters.get("since")
    bounds = find_bounds(view, set(told)) if since is None else dict.fromkeys(told, since)
    late = [group for group in groups if group.oldest < bounds[group.facts_id]]

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        if host.last < bounds[host.facts_id]:
            facts = told[host.facts_id]
            missed = (view.at - host.last) // (facts.interval or DAY_S)
            yield host.site, host.name, host.id, facts.tag, host.last, facts.interval, missed

    return answer_by_host(view, late, page, build_rows, before=max(bounds.values(), default=0))


def find_bounds(view: View, facts_ids: Collection[int]) -> dict[int, int]:
    """For hosts of these facts, the time since when one that is not silent has reported."""
    told = view.memory.find_facts(view.connection, facts_ids)
    return {number: int(view.at - PATIENCE * (facts.interval or DAY_S)) for number, facts in told.items()}
