"""The hosts with packages that are known to be vulnerable, by the collector's advisories."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headless.errors import ParameterError, Unavailable
from headless.inventory.advisories import Vulnerability
from headless.inventory.ask.advisory_notes import explain_advisories
from headless.inventory.ask.marks import MarkedGroup, Marks, System
from headless.inventory.ask.page import Answer, Page
from headless.inventory.ask.view import View
from headless.inventory.ask.walking import Host, answer_by_host

__all__ = ["ask_vulnerable", "count_vulnerable", "demand_marks"]


def ask_vulnerable(view: View, parameters: Mapping[str, Any], page: Page) -> Answer:
    """Answer ``vulnerable``. Its summary tells how many hosts there are, how many of them have something that was asked
    for, and of how many nobody can say all, with the reasons.

    Raises:
        ParameterError: the collector has no advisories.
        Unavailable: they are being read, or cannot be.
    """
    marks = demand_marks(view)
    judged = list(marks.judge_groups(view, view.list_groups(parameters)))
    wanted = _Wanted(parameters)
    chosen = {item.group[:3]: item for item in judged if wanted.has_any(item)}
    known = view.memory.find_packages(view.connection, wanted.numbers)

    def build_rows(host: Host) -> Iterator[tuple[Any, ...]]:
        item = chosen[host.site_id, host.set_id, host.facts_id]
        said = wanted.find(item)
        for number in sorted(said.keys() & set(item.found), key=known.__getitem__):
            for found in said[number]:
                yield (
                    host.site, host.name, host.id, found.id, found.severity, *found.package[:4], found.fixed,
                    list(found.aliases), found.link, found.exception, *item.system, host.last,
                )  # fmt: skip

    answer = answer_by_host(view, [item.group for item in chosen.values()], page, build_rows)
    summary = {**count_vulnerable(judged), "found": sum(item.group.hosts for item in chosen.values())}
    unrated = 0 if page.after else len(wanted.find_unrated(judged))
    notes = () if page.after else tuple(explain_advisories(marks, parameters, summary, unrated))
    return answer._replace(summary=summary, notes=notes)


def demand_marks(view: View) -> Marks:
    """The marks of a view.

    Raises:
        ParameterError: there are none, nor will there be.
        Unavailable: they are being read, or cannot be.
    """
    if view.marks is None:
        raise ParameterError("this collector has no advisories: its keeper names them in its settings ('advisories')")
    marks = view.marks()
    if marks is None:
        raise Unavailable("the advisories are being read")
    return marks


def count_vulnerable(judged: Iterable[MarkedGroup]) -> dict[str, Any]:
    """How many hosts there are, how many are vulnerable, of how many not all can be said, and why not."""
    counts = Counter({"hosts": 0, "vulnerable": 0, "unknown": 0})
    gaps: Counter[str] = Counter()
    for item in judged:
        counts["hosts"] += item.group.hosts
        counts["vulnerable"] += item.group.hosts * item.is_vulnerable
        if item.gap:
            counts["unknown"] += item.group.hosts
            gaps[item.gap] += item.group.hosts
    return {**counts, "reasons": dict(sorted(gaps.items()))}


class _Wanted:
    """What of all that is said was asked for."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._advisory = parameters.get("advisory", "").upper()
        self._severity = parameters.get("severity", "").lower()
        self._has_excepted = parameters.get("excepted", False)
        self._known: dict[System, dict[int, tuple[Vulnerability, ...]]] = {}

    @property
    def numbers(self) -> set[int]:
        """The packages that are about to be told, and some more."""
        return {number for found in self._known.values() for number in found}

    def find(self, item: MarkedGroup) -> Mapping[int, tuple[Vulnerability, ...]]:
        """What is said of the packages of the hosts' system, of that what was asked for."""
        known = self._known.get(item.system)
        if known is None:
            said = list(item.said.items())  # at once: another thread may add to it
            known = {number: chosen for number, found in said if (chosen := tuple(filter(self._is_one, found)))}
            self._known[item.system] = known
        return known

    def has_any(self, item: MarkedGroup) -> bool:
        """Whether the hosts have anything that was asked for."""
        return not self.find(item).keys().isdisjoint(item.found)

    def find_unrated(self, judged: Iterable[MarkedGroup]) -> set[str]:
        """The advisories that may be of the severity that was asked for, and tell none."""
        if not self._severity:
            return set()
        unrated: set[str] = set()
        seen: defaultdict[System, set[int]] = defaultdict(set)
        for item in judged:
            new = set(item.found).difference(seen[item.system])
            seen[item.system] |= new
            unrated.update(found.id for number in new for found in item.said[number] if self._is_unrated(found))
        return unrated

    def _is_unrated(self, found: Vulnerability) -> bool:
        return not found.severity and self._is_asked(found)

    def _is_one(self, found: Vulnerability) -> bool:
        return self._severity in ("", found.severity) and self._is_asked(found)

    def _is_asked(self, found: Vulnerability) -> bool:
        return (self._has_excepted or not found.exception) and (
            not self._advisory or self._advisory in (name.upper() for name in (found.id, *found.aliases))
        )
