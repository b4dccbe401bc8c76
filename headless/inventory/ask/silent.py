"""The hosts that have not reported when they meant to."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, answer_by_host
from headless.inventory.collect.schema import hosts, spans
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
    before = max(bounds.values(), default=0)
    states = view.recall(("late", before), lambda: _find_late(view, before))
    late = [group for group in groups if group[:3] in states]

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        if host.last < bounds[host.facts_id]:
            facts = told[host.facts_id]
            missed = (view.at - host.last) // (facts.interval or DAY_S)
            yield host.site, host.name, host.id, facts.tag, host.last, facts.interval, missed

    return answer_by_host(view, late, page, build_rows, before=before)


def _find_late(view: View, before: int) -> set[tuple[int, int, int]]:
    """What hosts said that have not reported since: their sites, sets and facts."""
    late = view.select_states(hosts.c.site_id, spans.c.set_id, spans.c.facts_id).where(spans.c.last < before)
    return {(site_id, set_id, facts_id) for site_id, set_id, facts_id in view.connection.execute(late.distinct())}


def find_bounds(view: View, facts_ids: Collection[int]) -> dict[int, int]:
    """For hosts of these facts, the time since when one that is not silent has reported."""
    told = view.memory.find_facts(view.connection, facts_ids)
    return {number: int(view.at - PATIENCE * (facts.interval or DAY_S)) for number, facts in told.items()}
