"""What advisories say of the packages that are known here: each is looked up once a system, whoever has it.

Half a million hosts have some ten thousand lists of packages and a handful of systems: what was found of a list stays
in memory until other advisories are read.
"""

import itertools
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from headless.inventory.advisories import BY_SOURCE, Advisories, Vulnerability
from headless.inventory.ask.memory import Facts, Memory
from headless.inventory.ask.view import Group, View
from headless.inventory.os_release import parse_system
from headless.inventory.package import Package

__all__ = ["MarkedGroup", "Marks", "System", "find_system"]

BYTES_LIMIT = 150_000_000
"""Of all that was looked up, about."""
OWN, SEEN, NUMBER = 1000, 150, 4
"""What of it a system or a list takes, a package that was looked up for a system, a package's number in a list."""

_NUMBERS = itertools.count(1)

System = tuple[str, str]
"""ID and version of os-release."""


class MarkedGroup(NamedTuple):
    """Hosts that said the same, and what advisories say of them.

    Attributes:
        group: they.
        system: of them.
        found: the numbers of the packages of which something is said, also of those where it does not count.
        said: what is said of these, and of others of the system, by their numbers.
        is_vulnerable: something is said that counts.
        gap: why not all can be said; empty if it can.
    """

    group: Group
    system: System
    found: Collection[int]
    said: Mapping[int, tuple[Vulnerability, ...]]
    is_vulnerable: bool
    gap: str

    def list_counted(self) -> list[Vulnerability]:
        """What is said of their packages and counts, by package."""
        told = [item for number in self.found for item in self.said[number] if not item.exception]
        return sorted(told, key=lambda item: (item.package, item.id))


class _MarkedSet(NamedTuple):
    found: "array[int]"
    is_vulnerable: bool
    has_sources: bool


class _Looked:
    """What was looked up for one system."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.found: dict[int, tuple[Vulnerability, ...]] = {}
        self.counted: set[int] = set()
        self.by_source: set[int] = set()
        self.with_source: set[int] = set()
        self.sets: dict[int, _MarkedSet] = {}

    def mark(self, members: Sequence[int]) -> _MarkedSet:
        """Mark a set, all of whose packages were looked up."""
        held = array("I", self.found.keys() & members)
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
        # By the memory whose numbers they are: a database that comes back as an older one has others.
        self._looked: WeakKeyDictionary[Memory, dict[System, _Looked]] = WeakKeyDictionary()
        self._size = 0

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
            looked = self._get(view.memory, system)
            for set_id, marked in self._judge_sets(view, system, looked, by_set):
                for group in by_set[set_id]:
                    missing = [source for source, _ in told[group.facts_id].missing]
                    gap = self.advisories.explain_gap(*system, missing, marked.has_sources)
                    yield MarkedGroup(group, system, marked.found, looked.found, marked.is_vulnerable, gap)

    def _judge_sets(
        self, view: View, system: System, looked: _Looked, set_ids: Collection[int]
    ) -> Iterator[tuple[int, _MarkedSet]]:
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
            marked = looked.sets[set_id] = looked.mark(members)
            self._grow(OWN + NUMBER * len(marked.found))
            yield set_id, marked

    def _get(self, memory: Memory, system: System) -> _Looked:
        known = self._looked.get(memory, {}).get(system)
        if known is None:
            self._grow(OWN)
            # At once: another thread may be about to do the same.
            known = self._looked.setdefault(memory, {}).setdefault(system, _Looked())
        return known

    def _look_up(self, looked: _Looked, system: System, packages: Mapping[int, Package]) -> None:
        for number, package in packages.items():
            if found := tuple(self.advisories.find(*system, [package])):
                looked.found[number] = found
                if not all(vulnerability.exception for vulnerability in found):
                    looked.counted.add(number)
            if package.kind in BY_SOURCE:
                looked.by_source.add(number)
                if package.source:
                    looked.with_source.add(number)
        looked.seen.update(packages)
        self._grow(SEEN * len(packages))

    def _grow(self, size: int) -> None:
        """Count what is kept; above the limit all is forgotten, but by those who are at it."""
        if self._size + size > BYTES_LIMIT:
            self._looked = WeakKeyDictionary()
            self._size = 0
        self._size += size


def find_system(facts: Facts) -> System:
    """A host's system. One that only the text tells is recognized where it can be."""
    return (facts.os_id, facts.os_version) if facts.os_id else parse_system(facts.system)
