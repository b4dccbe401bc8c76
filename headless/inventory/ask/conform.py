"""The hosts that fall short of a reference: each set of packages is judged once, whoever has it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from headless.inventory.ask.marks import MarkedGroup, Marks
from headless.inventory.ask.memory import Facts
from headless.inventory.ask.never import explain_never_ruled
from headless.inventory.ask.page import Answer, Ordered, Page, order
from headless.inventory.ask.view import Group, View
from headless.inventory.ask.vulnerable import demand_marks
from headless.inventory.ask.walking import Host, answer_by_host
from headless.inventory.idle import explain_idle
from headless.inventory.os_release import parse_system
from headless.inventory.reference import Fault, Reference, Shortfall, State, judge_host
from headless.inventory.reference_file import parse_reference
from headless.inventory.rule import HostFacts
from headless.inventory.selector import tells_sources
from headless.inventory.verdict import Row, build_gap_row, build_row, build_vulnerable_row

__all__ = ["Judged", "ask_conform", "judge_groups"]


@dataclass(frozen=True, slots=True)
class Judged:
    """Hosts that said the same, judged.

    Attributes:
        group: they.
        is_meant: some rule is meant for them.
        shortfalls: of each of them.
        marked: what advisories say of them, if that was asked.
    """

    group: Group
    is_meant: bool
    shortfalls: tuple[Shortfall, ...] = ()
    marked: MarkedGroup | None = None

    @property
    def is_right(self) -> bool:
        """Nothing is to be told of them."""
        return not self.shortfalls and (self.marked is None or not (self.marked.is_vulnerable or self.marked.gap))

    def falls_short(self, since: State) -> bool:
        """Whether they fall short from a state on; what is vulnerable and what is not known always counts."""
        if self.marked and (self.marked.is_vulnerable or self.marked.gap):
            return True
        order = [State.EARLY, State.DUE, State.OVERDUE]
        return any(
            found.state not in order or order.index(found.state) >= order.index(since) for found in self.shortfalls
        )


def ask_conform(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``conform``. Its summary tells of how many hosts some rule is meant, and how many fall short from each
    state on.

    Raises:
        ParameterError: the reference is none, or the collector has no advisories.
        Unavailable: it is reading them.
    """
    marks = demand_marks(view) if parameters.get("vulnerable") else None
    reference = None if marks and not parameters["body"] else parse_reference(parameters["body"], "reference")
    given = sorted((name, value) for name, value in parameters.items() if name != "body")
    key = ("conform", sha256(parameters["body"]).digest(), marks.number if marks else 0, *given)
    ordered = view.recall(key, lambda: _judge_all(view, reference, marks, parameters))
    short = dict(ordered.pairs)

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        item = short[host.site_id, host.set_id, host.facts_id]
        facts = HostFacts(host.name, host.site)
        rows = [build_row(facts, shortfall) for shortfall in item.shortfalls]
        if item.marked:
            rows += _build_marked(facts, item.marked)
        for row in rows:
            yield host.site, host.name, host.id, *row[2:]

    answer = answer_by_host(view, [item.group for item in short.values()], page, build_rows)
    outdated = (marks.outdated,) if marks and marks.outdated else ()
    return answer._replace(summary=ordered.summary, notes=(*outdated, *ordered.notes))


def _judge_all(view: View, reference: Reference | None, marks: Marks | None, parameters: Mapping[str, Any]) -> Ordered:
    groups = view.list_groups(parameters)
    judged = list(judge_groups(view, reference, groups) if reference else (Judged(group, False) for group in groups))
    if marks:
        marked = {item.group[:3]: item for item in marks.judge_groups(view, groups)}
        judged = [replace(item, is_meant=True, marked=marked[item.group[:3]]) for item in judged]
    notes = _explain_unjudged(view, reference, judged) if reference else ()
    short = (item for item in judged if not item.is_right)
    return order(short, lambda item: item.group[:3], _summarize(judged), notes)


def _explain_unjudged(view: View, reference: Reference, judged: Collection[Judged]) -> tuple[str, ...]:
    """What was not judged, in notes: the rules that are meant for no host or no package, the number of other hosts."""
    told = view.find_facts(item.group for item in judged)
    said = {(item.group.site_id, item.group.facts_id) for item in judged}
    hosts = {_build_facts(told[facts_id]._replace(missing=()), view.sites[site_id], True) for site_id, facts_id in said}
    number = sum(item.group.hosts for item in judged)
    meant = sum(item.group.hosts for item in judged if item.is_meant)
    partly = (f"{meant} of {number} hosts are judged: no rule is meant for the others",) if 0 < meant < number else ()
    unseen = [rule for rule in reference.find_unseen() if any(map(rule.applies, hosts))]
    return (*explain_idle(reference, hosts), *explain_never_ruled(view, unseen), *partly)


def _build_marked(facts: HostFacts, marked: MarkedGroup) -> Iterator[Row]:
    for found in marked.list_counted():
        yield build_vulnerable_row(facts, found)
    if marked.gap:
        yield build_gap_row(facts, "vulnerabilities", marked.gap)


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
