"""The hosts, with what they run and when they last reported."""

from collections.abc import Mapping
from typing import Any

from headless.inventory.ask.gaps import SYSTEM_KINDS, explain_unread
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.retired import find_retirements
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import answer_by_host

__all__ = ["ask_hosts"]


def ask_hosts(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``hosts``."""
    groups = view.list_groups(parameters)
    if "set" in parameters:
        groups = [group for group in groups if group.set_id == parameters["set"]]
    told = view.find_facts(groups)
    answer = answer_by_host(view, groups, page, lambda host: [(host,)])
    hosts = [host for (host,) in answer.rows]
    counts = view.count_members({host.set_id for host in hosts})
    retired = find_retirements(view, [host.id for host in hosts] if view.retired else [])
    rows = []
    for host in hosts:
        facts = told[host.facts_id]
        rows.append(
            (
                host.site,
                host.name,
                host.id,
                facts.tag,
                facts.system,
                facts.kernel,
                counts[host.set_id],
                host.first,
                host.last,
                host.set_id,
                retired.get(host.id),
                [source for source, _ in facts.missing if source in SYSTEM_KINDS] or None,
            )
        )
    notes = () if page.after else explain_unread(groups, told, SYSTEM_KINDS)
    return answer._replace(rows=rows, notes=notes)
