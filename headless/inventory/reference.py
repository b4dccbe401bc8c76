"""What should be installed where, and until when: rules, and what of a host falls short of them.

A host is judged in two steps, because half a million hosts have but some ten thousand sets of packages:
``Reference.find_faults`` looks at the packages alone, once a set; ``judge_host`` keeps of those faults what is meant
for the host, and says how late it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from headless.inventory.bound import Bound
from headless.inventory.package import Package
from headless.inventory.rule import HostFacts, Rule
from headless.inventory.selector import Selector, normalize, source_of

__all__ = ["Fault", "Reference", "Shortfall", "State", "build_reference", "judge_host"]


class State(StrEnum):
    """How late a shortfall is."""

    EARLY = "early"
    """Its deadline has not passed."""
    DUE = "due"
    """Its deadline has passed, or it has none; the days of grace have not."""
    OVERDUE = "overdue"
    """The days of grace after its deadline have passed."""
    UNKNOWN = "unknown"
    """The host has not told what the rule is about: nobody can say that it conforms."""


class Fault(NamedTuple):
    """A package that a rule does not want as it is; ``None`` where the rule wants one and there is none."""

    rule: Rule
    package: Package | None


class Shortfall(NamedTuple):
    """A fault of one host.

    Attributes:
        rule: what it falls short of.
        package: what is installed; ``None`` where nothing is, or where it is not known.
        state: how late it is.
        reason: why nothing is known; empty in every other state.
    """

    rule: Rule
    package: Package | None
    state: State
    reason: str = ""


@dataclass
class Reference:
    """Rules. One object keeps what it has found of each distinct package: use it for all sets of a question.

    Attributes:
        name: what people call it.
        rules: at least one, in the order of the file.
    """

    name: str
    rules: Sequence[Rule]
    _by_name: dict[tuple[bool, bool, str], list[Rule]] = field(init=False, repr=False)
    _patterns: list[Rule] = field(init=False, repr=False)
    _found: dict[Package, tuple[tuple[Rule, bool], ...]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("a reference without rules: everything would conform")
        self._by_name = defaultdict(list)
        self._patterns = [rule for rule in self.rules if not rule.selector.is_literal]
        for rule in self.rules:
            if rule.selector.is_literal:
                for is_python in sorted({kind == "python" for kind in rule.kinds}):
                    name = normalize(rule.selector.name) if is_python else rule.selector.name
                    self._by_name[rule.selector.is_source, is_python, name].append(rule)

    def applies_any(self, host: HostFacts) -> bool:
        """Whether any rule is meant for a host: one for which none is cannot be said to conform."""
        return any(rule.applies(host) for rule in self.rules)

    def is_about(self, package: Package) -> bool:
        """Whether any rule is about a package."""
        return bool(self._judge_package(package))

    def find_unseen(self) -> list[Rule]:
        """The rules that are about none of the packages that were judged so far."""
        seen = {rule.number for found in self._found.values() for rule, _ in found}
        return [rule for rule in self.rules if rule.number not in seen]

    def find_faults(self, packages: Iterable[Package]) -> tuple[Fault, ...]:
        """Judge a set of packages by all rules, wherever they apply."""
        faults = []
        matched: set[int] = set()
        good: set[tuple[int, str, str]] = set()
        for package in packages:
            for rule, is_good in self._judge_package(package):
                matched.add(rule.number)
                if is_good:
                    good.add((rule.number, package.kind, package.name))
                else:
                    faults.append(Fault(rule, package))
        found = [
            fault
            for fault in faults
            if not (fault.rule.one_is_enough and fault.package and (fault.rule.number, *fault.package[:2]) in good)
        ]
        absent = [Fault(rule, None) for rule in self.rules if rule.is_required and rule.number not in matched]
        return tuple(found + absent)

    def _judge_package(self, package: Package) -> tuple[tuple[Rule, bool], ...]:
        """The rules that are about a package, and whether they want it as it is."""
        found = self._found.get(package)
        if found is None:
            rules = sorted(self._find_rules(package), key=lambda rule: rule.number)
            found = self._found[package] = tuple((rule, rule.accepts(package)) for rule in rules)
        return found

    def _find_rules(self, package: Package) -> Iterator[Rule]:
        is_python = package.kind == "python"
        for is_source, name in ((False, package.name), (True, source_of(package)[0])):
            for rule in self._by_name.get((is_source, is_python, normalize(name) if is_python else name), ()):
                if package.kind in rule.kinds:
                    yield rule
        for rule in self._patterns:
            if package.kind in rule.kinds and rule.selector.matches(package):
                yield rule


def judge_host(reference: Reference, faults: Iterable[Fault], host: HostFacts, now: float) -> list[Shortfall]:
    """Judge a host by the faults of its set of packages.

    Args:
        now: seconds since the epoch.

    Returns:
        Its shortfalls. None means that it conforms, or that no rule is meant for it: ``Reference.applies_any`` tells.
    """
    gaps = {rule.number: reason for rule in reference.rules if (reason := rule.find_gap(host))} if host.has_gaps else {}
    shortfalls = [
        Shortfall(fault.rule, fault.package, _find_state(fault.rule, now))
        for fault in faults
        if fault.rule.applies(host) and (fault.rule.number not in gaps or _is_certain(fault, host))
    ]
    told = {shortfall.rule.number for shortfall in shortfalls}
    shortfalls += [
        Shortfall(rule, None, State.UNKNOWN, gaps[rule.number])
        for rule in reference.rules
        if rule.number in gaps and rule.number not in told
    ]
    return sorted(shortfalls, key=lambda shortfall: shortfall.rule.number)


def _is_certain(fault: Fault, host: HostFacts) -> bool:
    """Whether a fault stands although something is not known: a package that was seen is there."""
    return fault.package is not None and bool(host.os_id or not fault.rule.systems)


def _find_state(rule: Rule, now: float) -> State:
    if rule.deadline is not None and now < rule.deadline:
        return State.EARLY
    if rule.deadline is not None and now >= rule.deadline + rule.grace_s:
        return State.OVERDUE
    return State.DUE


def build_reference(name: str, packages: Iterable[Package]) -> Reference:
    """Make a reference of what is installed somewhere: every package there is wanted, in one of its versions there.

    Raises:
        ValueError: there are no packages.
    """
    versions: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for package in packages:
        versions[package.kind, package.name].add(package.version)
    return Reference(
        name,
        [
            Rule(
                number,
                Selector(package_name),
                kinds=(kind,),
                alternatives=tuple((Bound("===", version),) for version in sorted(versions[kind, package_name])),
                is_required=True,
            )
            for number, (kind, package_name) in enumerate(sorted(versions), 1)
        ],
    )
