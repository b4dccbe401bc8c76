"""What hosts could not read: that a package is not told of then does not mean that it is not there."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from headless.inventory.ask.difference import key_of, summarize
from headless.inventory.ask.memory import Facts
from headless.inventory.ask.view import Group
from headless.inventory.package import Package

__all__ = ["SYSTEM_KINDS", "Believed", "count_unread", "explain_unread", "find_unread"]

SYSTEM_KINDS = ("rpm", "dpkg", "apk", "pkg")
"""Those whose absence is told unasked: not Python's, which the text format never tells."""


class Believed:
    """What a host is believed to have, report by report: of a kind that could not be read, what it had before."""

    def __init__(self) -> None:
        self._packages: list[Package] = []
        self._missing: dict[str, str] = {}
        self._never_read: set[str] | None = None

    def go_on(self, listed: Sequence[Package], facts: Facts) -> tuple[int, int, int, list[str]]:
        """Take the next report; what has changed, see :func:`summarize`, and what could not be read any more."""
        missing = dict(facts.missing)
        if self._never_read is None:
            self._never_read, self._packages = set(missing), list(listed)
            self._missing = missing
            return 0, 0, 0, [_tell(kind, missing[kind]) for kind in SYSTEM_KINDS if kind in missing]
        there = {key_of(package) for package in listed}
        unread = [one for one in self._packages if one.kind in missing and key_of(one) not in there]
        first_read = self._never_read - set(missing)
        before = self._packages + [one for one in listed if one.kind in first_read]
        self._packages = [*listed, *unread]
        added, removed, changed, words = summarize(before, self._packages)
        kinds = {one.kind for one in unread}
        gaps = [_tell(kind, missing[kind]) for kind in sorted(kinds - set(self._missing))]
        self._missing = missing
        self._never_read -= first_read
        return added, removed, changed, gaps + words


def find_unread(groups: Collection[Group], told: Mapping[int, Facts]) -> Counter[str]:
    """For each kind the hosts that could not read it."""
    unread: Counter[str] = Counter()
    for group in groups:
        unread.update(dict.fromkeys((source for source, _ in told[group.facts_id].missing), group.hosts))
    return unread


def count_unread(groups: Collection[Group], told: Mapping[int, Facts], kinds: Collection[str]) -> int:
    """How many hosts could not read one of these kinds."""
    return sum(group.hosts for group in groups if any(source in kinds for source, _ in told[group.facts_id].missing))


def explain_unread(groups: Collection[Group], told: Mapping[int, Facts], kinds: Collection[str]) -> tuple[str, ...]:
    """A note for each of these kinds that some of the hosts could not read."""
    unread = find_unread(groups, told)
    total = sum(group.hosts for group in groups)
    return tuple(
        f"{unread[kind]} of {total} {'host' if total == 1 else 'hosts'} could not read {kind}:"
        f" what {'it has' if unread[kind] == 1 else 'they have'} of it is not known"
        for kind in sorted(kinds)
        if unread[kind]
    )


def _tell(kind: str, reason: str) -> str:
    return f"? {kind} was not read: {reason}"
