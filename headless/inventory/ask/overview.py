"""The sites at a glance: hosts, groups of equal hosts, silence, conformity."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func

from headless.inventory.ask.conform import judge_groups
from headless.inventory.ask.silent import count_patience
from headless.inventory.ask.view import View
from headless.inventory.collect.schema import hosts, spans
from headless.inventory.dates import DAY_S
from headless.inventory.reference import Reference, State

__all__ = ["SiteGlance", "build_overview"]


@dataclass
class SiteGlance:
    """A site at a glance.

    Attributes:
        hosts: how many it has.
        sets: how many different lists of packages they have.
        silent: how many have not reported when they meant to.
        newest: when the last report was made, seconds since the epoch.
        judged: of how many hosts some rule of the reference is meant.
        short: how many of them fall short of it, their deadline passed.
        vulnerable: of how many the advisories are about some package.
        unknown: of how many nobody can say all by the advisories.
    """

    site: str
    hosts: int = 0
    sets: int = 0
    silent: int = 0
    newest: int = 0
    judged: int = 0
    short: int = 0
    vulnerable: int = 0
    unknown: int = 0


def build_overview(view: View, references: Sequence[Reference]) -> list[SiteGlance]:
    """Look at all sites that may be seen."""
    groups = view.list_groups({})
    found = {number: SiteGlance(name) for number, name in view.sites.items()}
    sets: defaultdict[int, set[int]] = defaultdict(set)
    for group in groups:
        glance = found[group.site_id]
        glance.hosts += group.hosts
        sets[group.site_id].add(group.set_id)
    for number, some in sets.items():
        found[number].sets = len(some)
    for number, newest in _find_newest(view).items():
        found[number].newest = newest
    for number, silent in _count_silent(view).items():
        found[number].silent = silent
    for reference in references:
        for item in judge_groups(view, reference, groups):
            glance = found[item.group.site_id]
            glance.judged += item.group.hosts * item.is_meant
            glance.short += item.group.hosts * item.falls_short(State.DUE)
    marks = view.marks() if view.marks else None
    for marked in marks.judge_groups(view, groups) if marks else ():
        glance = found[marked.group.site_id]
        glance.vulnerable += marked.group.hosts * marked.is_vulnerable
        glance.unknown += marked.group.hosts * bool(marked.gap)
    return [glance for glance in found.values() if glance.hosts]


def _find_newest(view: View) -> dict[int, int]:
    newest = view.select_states(hosts.c.site_id, func.max(spans.c.last)).group_by(hosts.c.site_id)
    return {site_id: last for site_id, last in view.connection.execute(newest) if site_id in view.sites}


def _count_silent(view: View) -> dict[int, int]:
    interval = case((hosts.c.interval > 0, hosts.c.interval), else_=DAY_S)
    is_silent = spans.c.last < view.at - count_patience(interval)
    silent = view.select_states(hosts.c.site_id, func.count()).where(is_silent).group_by(hosts.c.site_id)
    return {site_id: number for site_id, number in view.connection.execute(silent) if site_id in view.sites}
