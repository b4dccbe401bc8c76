"""The hosts that fall short of a reference: each set of packages is judged once, whoever has it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from headless.inventory.ask.memory import Facts
from headless.inventory.ask.page import Answer, Ordered, Page, order
from headless.inventory.ask.view import Group, View
from headless.inventory.ask.walking import Host, answer_by_host
from headless.inventory.os_release import parse_system
from headless.inventory.reference import Fault, Reference, Shortfall, State, judge_host
from headless.inventory.reference_file import parse_reference
from headless.inventory.rule import HostFacts
from headless.inventory.selector import tells_sources
from headless.inventory.verdict import build_row

__all__ = ["Judged", "ask_conform", "judge_groups"]


@dataclass(frozen=True, slots=True)
class Judged:
    """Hosts that said the same, judged.

    Attributes:
        group: they.
        is_meant: some rule is meant for them.
        shortfalls: of each of them.
    """

    group: Group
    is_meant: bool
    shortfalls: tuple[Shortfall, ...]

    def falls_short(self, since: State) -> bool:
        """Whether they fall short from a state on; what is not known always counts."""
        order = [State.EARLY, State.DUE, State.OVERDUE]
        return any(
            found.state not in order or order.index(found.state) >= order.index(since) for found in self.shortfalls
        )


def ask_conform(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``conform``. Its summary tells of how many hosts some rule is meant, and how many fall short from each
    state on.

    Raises:
        ParameterError: the reference is none.
    """
    reference = parse_reference(parameters["body"], "reference")
    given = sorted((name, value) for name, value in parameters.items() if name != "body")
    key = ("conform", sha256(parameters["body"]).digest(), *given)
    ordered = view.recall(key, lambda: _judge_all(view, reference, parameters))
    short = dict(ordered.pairs)

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        item = short[host.site_id, host.set_id, host.facts_id]
        for shortfall in item.shortfalls:
            row = build_row(HostFacts(host.name, host.site), shortfall)
            yield host.site, host.name, host.id, *row[2:]

    answer = answer_by_host(view, [item.group for item in short.values()], page, build_rows)
    return answer._replace(summary=ordered.summary)


def _judge_all(view: View, reference: Reference, parameters: Mapping[str, Any]) -> Ordered:
    judged = list(judge_groups(view, reference, view.list_groups(parameters)))
    return order((item for item in judged if item.shortfalls), lambda item: item.group[:3], _summarize(judged))


def judge_groups(view: View, reference: Reference, groups: Iterable[Group]) -> Iterator[Judged]:
    """Judge hosts, by groups that said the same."""
    by_set: defaultdict[int, list[Group]] = defaultdict(list)
    for group in groups:
        by_set[group.set_id].append(group)
    told = view.find_facts(group for some in by_set.values() for group in some)
    for set_id, faults, has_sources in _judge_sets(view, reference, by_set):
        for group in by_set[set_id]:
            host = _build_facts(told[group.facts_id], view.sites[group.site_id], has_sources)
            shortfalls = tuple(judge_host(reference, faults, host, view.at))
            yield Judged(group, bool(shortfalls) or reference.applies_any(host), shortfalls)


def _judge_sets(
    view: View, reference: Reference, set_ids: Iterable[int]
) -> Iterator[tuple[int, tuple[Fault, ...], bool]]:
    """Each set's faults, and whether it tells source packages. Most packages are of no rule: they are passed over."""
    known: dict[int, Any] = {}
    concerned: set[int] = set()
    with_source: set[int] = set()
    for set_id, members in view.memory.iterate_members(view.connection, list(set_ids)):
        new = [number for number in members if number not in known]
        for number, package in view.memory.find_packages(view.connection, new).items():
            known[number] = package
            if reference.is_about(package):
                concerned.add(number)
            if tells_sources([package]):
                with_source.add(number)
        faults = reference.find_faults(known[number] for number in members if number in concerned)
        yield set_id, faults, not with_source.isdisjoint(members)


def _build_facts(facts: Facts, site: str, has_sources: bool) -> HostFacts:
    os_id, os_version = (facts.os_id, facts.os_version) if facts.os_id else parse_system(facts.system)
    missing = frozenset(source for source, _ in facts.missing)
    return HostFacts("", site, facts.tag, os_id, os_version, missing, has_sources)


def _summarize(judged: Iterable[Judged]) -> dict[str, int]:
    counts: Counter[str] = Counter(dict.fromkeys(("hosts", "judged", *State), 0))
    for item in judged:
        counts["hosts"] += item.group.hosts
        counts["judged"] += item.group.hosts * item.is_meant
        for state in (State.EARLY, State.DUE, State.OVERDUE):
            counts[state] += item.group.hosts * item.falls_short(state)
    return {str(name): number for name, number in counts.items() if name != State.UNKNOWN}
