"""What advisories say of the packages that are known here: each is looked up once a system, whoever has it.

Half a million hosts have some ten thousand lists of packages and a handful of systems: what was found of a list stays
in memory until other advisories are read.
"""

import itertools
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from headless.inventory.advisories import BY_SOURCE, Advisories, Vulnerability
from headless.inventory.ask.memory import Facts
from headless.inventory.ask.view import Group, View
from headless.inventory.os_release import parse_system
from headless.inventory.package import Package

__all__ = ["MarkedGroup", "Marks", "System", "find_system"]

NUMBERS_LIMIT = 10_000_000
"""Packages' numbers kept, four bytes each."""

_NUMBERS = itertools.count(1)

System = tuple[str, str]
"""ID and version of os-release."""


class MarkedGroup(NamedTuple):
    """Hosts that said the same, and what advisories say of them.

    Attributes:
        group: they.
        system: of them.
        found: the numbers of the packages of which something is said, also of those where it does not count.
        is_vulnerable: something is said that counts.
        gap: why not all can be said; empty if it can.
    """

    group: Group
    system: System
    found: Collection[int]
    is_vulnerable: bool
    gap: str


class _MarkedSet(NamedTuple):
    found: "array[int]"
    is_vulnerable: bool
    has_sources: bool


class _Looked:
    """What was looked up for one system."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.found: dict[int, tuple[Vulnerability, ...]] = {}
        self.said: set[int] = set()
        self.counted: set[int] = set()
        self.by_source: set[int] = set()
        self.with_source: set[int] = set()
        self.sets: dict[int, _MarkedSet] = {}

    def mark(self, members: Sequence[int]) -> _MarkedSet:
        """Mark a set, all of whose packages were looked up."""
        held = array("I", self.said.intersection(members))
        has_sources = not self.by_source or self.by_source.isdisjoint(members)
        has_sources = has_sources or not self.with_source.isdisjoint(members)
        return _MarkedSet(held, not self.counted.isdisjoint(held), has_sources)


class Marks:
    """Advisories, and what was found by them. Several threads may use it.

    Attributes:
        number: tells them from others in the keys of what is kept, which must not keep them themselves.
        outdated: why there are no newer ones; empty if these are as they should be.
    """

    def __init__(self, advisories: Advisories) -> None:
        self.advisories = advisories
        self.number = next(_NUMBERS)
        self.outdated = ""
        self._looked: dict[System, _Looked] = {}
        self._size = 0

    def find(self, system: System, number: int) -> tuple[Vulnerability, ...]:
        """What is said of a package that :meth:`judge_groups` has come upon."""
        return self._get(system).found.get(number, ())

    def choose(self, system: System, test: Callable[[Vulnerability], bool]) -> dict[int, tuple[Vulnerability, ...]]:
        """Of all that is said of a system's packages what passes a test, by their numbers."""
        said = list(self._get(system).found.items())
        return {number: chosen for number, found in said if (chosen := tuple(filter(test, found)))}

    def find_packages(self, system: System, packages: Iterable[Package]) -> dict[Package, list[Vulnerability]]:
        """What is said of some packages."""
        found: defaultdict[Package, list[Vulnerability]] = defaultdict(list)
        for vulnerability in self.advisories.find(*system, packages):
            found[vulnerability.package].append(vulnerability)
        return found

    def judge_groups(self, view: View, groups: Iterable[Group]) -> Iterator[MarkedGroup]:
        """Judge hosts, by groups that said the same."""
        chosen = list(groups)
        told = view.find_facts(chosen)
        by_system: defaultdict[System, defaultdict[int, list[Group]]] = defaultdict(lambda: defaultdict(list))
        for group in chosen:
            by_system[find_system(told[group.facts_id])][group.set_id].append(group)
        for system, by_set in by_system.items():
            for set_id, marked in self._judge_sets(view, system, by_set):
                for group in by_set[set_id]:
                    missing = [source for source, _ in told[group.facts_id].missing]
                    gap = self.advisories.explain_gap(*system, missing, marked.has_sources)
                    yield MarkedGroup(group, system, marked.found, marked.is_vulnerable, gap)

    def _judge_sets(
        self, view: View, system: System, set_ids: Mapping[int, object]
    ) -> Iterator[tuple[int, _MarkedSet]]:
        looked = self._get(system)
        unknown = []
        for set_id in set_ids:
            if known := looked.sets.get(set_id):
                yield set_id, known
            else:
                unknown.append(set_id)
        for set_id, members in view.memory.iterate_members(view.connection, unknown):
            if not looked.seen.issuperset(members):
                new = [number for number in members if number not in looked.seen]
                self._look_up(looked, system, view.memory.find_packages(view.connection, new))
            marked = looked.mark(members)
            self._keep(looked, set_id, marked)
            yield set_id, marked

    def _get(self, system: System) -> _Looked:
        return self._looked.setdefault(system, _Looked())  # at once: another thread may be about to do the same

    def _look_up(self, looked: _Looked, system: System, packages: Mapping[int, Package]) -> None:
        for number, package in packages.items():
            if found := tuple(self.advisories.find(*system, [package])):
                looked.found[number] = found
                looked.said.add(number)
                if not all(vulnerability.exception for vulnerability in found):
                    looked.counted.add(number)
            if package.kind in BY_SOURCE:
                looked.by_source.add(number)
                if package.source:
                    looked.with_source.add(number)
        looked.seen.update(packages)

    def _keep(self, looked: _Looked, set_id: int, marked: _MarkedSet) -> None:
        if self._size + len(marked.found) > NUMBERS_LIMIT:
            for other in list(self._looked.values()):
                other.sets = {}
            self._size = 0
        looked.sets[set_id] = marked
        self._size += len(marked.found)


def find_system(facts: Facts) -> System:
    """A host's system. One that only the text tells is recognized where it can be."""
    return (facts.os_id, facts.os_version) if facts.os_id else parse_system(facts.system)
