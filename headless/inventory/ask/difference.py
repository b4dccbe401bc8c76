"""What differs between two lists of packages."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from headless.inventory.package import Package
from headless.inventory.versions import sort_key

__all__ = ["Change", "Tally", "compare_tallies", "describe", "key_of", "summarize"]

Tally = Mapping[str, int]
"""For each version of a package the hosts that have it; the version "" is none, where some hosts have none."""
NONE = ""


class Change(NamedTuple):
    """A package that differs.

    Attributes:
        a, b: its versions on either side, and the hosts that have each.
        change: "added", "removed", "upgraded", "downgraded", or "mixed": neither side is all newer.
    """

    kind: str
    name: str
    arch: str
    a: Tally
    b: Tally
    change: str


def compare_tallies(a: Mapping[Package, int], b: Mapping[Package, int], hosts_a: int, hosts_b: int) -> list[Change]:
    """What differs between two groups of hosts: a package whose versions there are not the same on either side, or
    that all hosts of one side have and not all of the other.

    Args:
        a, b: how many hosts have each package.
        hosts_a, hosts_b: how many there are.
    """
    sides = _tally(a, hosts_a), _tally(b, hosts_b)
    changes = []
    for key in sorted(sides[0].keys() | sides[1].keys()):
        of_a, of_b = (side.get(key, {NONE: hosts}) for side, hosts in zip(sides, (hosts_a, hosts_b), strict=True))
        if of_a.keys() != of_b.keys():
            changes.append(Change(*key, of_a, of_b, _name_change(key[0], of_a, of_b)))
    return changes


def describe(change: Change) -> str:
    """A change as a few words: ``openssl 3.0.7 -> 3.0.14``."""
    before, after = (", ".join(version for version in side if version) for side in (change.a, change.b))
    name = f"{change.name}.{change.arch}" if change.arch else change.name
    if not before:
        return f"+ {name} {after}"
    if not after:
        return f"- {name} {before}"
    return f"{name} {before} -> {after}"


def summarize(a: Collection[Package], b: Collection[Package]) -> tuple[int, int, int, list[str]]:
    """How many packages were added, removed and changed from one list to another, and each change in words."""
    concerned = {key_of(package) for package in set(a).symmetric_difference(b)}
    sides = [dict.fromkeys((package for package in side if key_of(package) in concerned), 1) for side in (a, b)]
    changes = compare_tallies(sides[0], sides[1], 1, 1)
    added, removed = (sum(change.change == name for change in changes) for name in ("added", "removed"))
    return added, removed, len(changes) - added - removed, [describe(change) for change in changes]


def _tally(packages: Mapping[Package, int], hosts: int) -> dict[tuple[str, str, str], dict[str, int]]:
    found: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    for package, number in packages.items():
        versions = found[key_of(package)]
        versions[package.version] = versions.get(package.version, 0) + number
    for versions in found.values():
        # A host with two versions, as of kernels, counts for both: those without any are then not to be told.
        if (without := hosts - sum(versions.values())) > 0:
            versions[NONE] = without
    return found


def key_of(package: Package) -> tuple[str, str, str]:
    """What tells a package from others, whatever its version."""
    return package.kind, package.name, package.arch


def _name_change(kind: str, a: Tally, b: Tally) -> str:
    key = sort_key(kind)
    before, after = (sorted(key(version) for version in side if version != NONE) for side in (a, b))
    if not before or not after:
        return "added" if after else "removed"
    if before == after:
        return "mixed"
    if after[-1] >= before[-1] and after[0] >= before[0]:
        return "upgraded"
    return "downgraded" if after[-1] <= before[-1] and after[0] <= before[0] else "mixed"
