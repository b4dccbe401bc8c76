"""The hosts that have a package."""

from collections.abc import Iterator, Mapping
from typing import Any

from headless.inventory.ask.counting import find_sets
from headless.inventory.ask.gaps import SYSTEM_KINDS, count_unread
from headless.inventory.ask.naming import find_named
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.sourceless import explain_sourceless
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, answer_by_host
from headless.inventory.requirement import parse_requirement

__all__ = ["ask_who_has"]


def ask_who_has(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``who-has``; its summary tells how many hosts have it, and how many others could not read theirs."""
    requirement = parse_requirement(parameters["requirement"])
    kind = parameters.get("kind", "")
    named = view.recall(
        ("named", parameters["requirement"], kind),
        lambda: find_named(view, requirement.selector, kind, requirement.matches),
    )
    groups = view.list_groups(parameters)
    held = view.recall(
        ("held", *sorted(parameters.items())),
        lambda: find_sets(view, {group.set_id for group in groups}, named),
    )
    chosen = [group for group in groups if group.set_id in held]
    told = view.find_facts(groups)

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        facts = told[host.facts_id]
        for package in sorted(named[number] for number in held[host.set_id]):
            yield host.site, host.name, host.id, *package, facts.os_id, facts.os_version, host.last

    answer = answer_by_host(view, chosen, page, build_rows)
    kinds = {kind} if kind else {package.kind for package in named.values()}
    others = [group for group in groups if group.set_id not in held]
    unread = count_unread(others, told, kinds or SYSTEM_KINDS)
    return answer._replace(
        summary={"hosts": sum(group.hosts for group in chosen), **({"unread": unread} if unread else {})},
        notes=() if page.after else explain_sourceless(view, requirement.selector, kind, others, held),
    )
