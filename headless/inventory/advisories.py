"""Which installed packages are known to be vulnerable, by advisories that were given as files."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from headless.inventory.ecosystems import KINDS_BY_ECOSYSTEM, PYPI, find_ecosystems
from headless.inventory.package import Package
from headless.inventory.selector import normalize, source_of, tells_sources
from headless.inventory.versions import Key, sort_key
from headless.inventory.vex import Exceptions

__all__ = ["Advisories", "Affected", "Event", "Vulnerability"]

BY_SOURCE = ("dpkg", "apk")
"""The kinds whose advisories name source packages; those of all others name what is installed."""
ORDER = ("introduced", "fixed", "last_affected")
VERSIONS_KEPT = 20_000
"""So many packages' versions are remembered with what was found of them."""


class Event(NamedTuple):
    """Where a range of versions begins ("introduced"), ends before ("fixed") or ends with ("last_affected")."""

    what: str
    version: str


class Affected(NamedTuple):
    """What one advisory says of one package.

    Attributes:
        id: the advisory's; aliases: other names of the same.
        ranges: each the events of one range.
        versions: told one by one.
        severity: a word, as whoever wrote it has it.
        link: to read more; empty or ``http``.
    """

    id: str
    aliases: tuple[str, ...] = ()
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: frozenset[str] = frozenset()
    severity: str = ""
    link: str = ""


class Vulnerability(NamedTuple):
    """An advisory that is about an installed package.

    Attributes:
        fixed: the first version that is not vulnerable, of the source package where ``package`` has one; empty: none
            is known.
        exception: why it does not count after all, as a VEX file says; empty: it counts.
    """

    id: str
    package: Package
    fixed: str
    link: str
    aliases: tuple[str, ...] = ()
    severity: str = ""
    exception: str = ""

    def __str__(self) -> str:
        """For people: the advisory, and which version mends it."""
        return f"{self.id} (fixed: {self.fixed})" if self.fixed else self.id


@dataclass
class Advisories:
    """Advisories, by ecosystem and package. Several threads may look things up.

    Attributes:
        exceptions: what they say and does not count.
    """

    exceptions: Exceptions = field(default_factory=Exceptions)
    _entries: dict[str, dict[str, list[Affected]]] = field(default_factory=lambda: defaultdict(dict))
    _found: dict[tuple[str, str, str, str], list[tuple[Affected, str]]] = field(default_factory=dict)

    def add(self, ecosystem: str, name: str, affected: Affected) -> None:
        """Add what an advisory says of a package.

        Args:
            ecosystem: as ``ecosystems.parse_ecosystem`` has it.
        """
        self._entries[ecosystem].setdefault(_find_name(ecosystem, name), []).append(affected)

    def __len__(self) -> int:
        return sum(len(entries) for names in self._entries.values() for entries in names.values())

    def has(self, name: str) -> bool:
        """Whether an advisory has this ID, or this as another name; the case of its letters does not count."""
        wanted = name.upper()
        return any(wanted in (known.upper() for known in (entry.id, *entry.aliases)) for entry in self._iterate())

    def list_severities(self) -> set[str]:
        """The severities that any of them tells."""
        return {entry.severity for entry in self._iterate()} - {""}

    def _iterate(self) -> Iterator[Affected]:
        for names in self._entries.values():
            for entries in names.values():
                yield from entries

    def find_gap(self, os_id: str, os_version: str, packages: Iterable[Package], missing: Collection[str] = ()) -> str:
        """Why nobody can say that a system's packages are not vulnerable; empty if it can be said.

        Args:
            missing: the kinds of packages that it could not read.
        """
        by_source = [package for package in packages if package.kind in BY_SOURCE]
        return self.explain_gap(os_id, os_version, missing, not by_source or tells_sources(by_source))

    def explain_gap(self, os_id: str, os_version: str, missing: Collection[str], has_sources: bool) -> str:
        """As ``find_gap``, of packages that are not at hand.

        Args:
            has_sources: they tell their source packages, or none of them is looked up by it.
        """
        known = [ecosystem for ecosystem in find_ecosystems(os_id, os_version) if ecosystem in self._entries]
        if not known:
            return f"no advisory is about {f'{os_id} {os_version}'.strip() or 'its system, which is not known'}"
        unread = sorted({_find_kind(ecosystem) for ecosystem in known}.intersection(missing))
        if unread:
            return f"the host could not read: {', '.join(unread)}"
        return "" if has_sources else "advisories go by source packages, and it tells none"

    def find(self, os_id: str, os_version: str, packages: Iterable[Package]) -> list[Vulnerability]:
        """The vulnerable ones of a system's packages, in their order, each with all that is known of it.

        Those that do not count are among them: see ``Vulnerability.exception``.
        """
        ecosystems = (*find_ecosystems(os_id, os_version), PYPI)
        return [
            self._except(vulnerability, os_id, os_version)
            for package in packages
            for ecosystem in ecosystems
            if package.kind == _find_kind(ecosystem)
            for vulnerability in self._find_in(ecosystem, package)
        ]

    def _except(self, found: Vulnerability, os_id: str, os_version: str) -> Vulnerability:
        if not self.exceptions:
            return found
        reason = self.exceptions.explain((found.id, *found.aliases), found.package, os_id, os_version)
        return found._replace(exception=reason) if reason else found

    def _find_in(self, ecosystem: str, package: Package) -> Iterable[Vulnerability]:
        name, version = source_of(package) if package.kind in BY_SOURCE else (package.name, package.version)
        for entry, fixed in self._find_entries(ecosystem, package.kind, name, version):
            yield Vulnerability(entry.id, package, fixed, entry.link, entry.aliases, entry.severity)

    def _find_entries(self, ecosystem: str, kind: str, name: str, version: str) -> list[tuple[Affected, str]]:
        """What is said of a version, and what mends it: the same for all packages of one source, and on all hosts."""
        key = (ecosystem, kind, name, version)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= VERSIONS_KEPT:
                self._found.clear()
            found, told = [], set()
            for entry in self._entries.get(ecosystem, {}).get(_find_name(ecosystem, name), ()):
                fixed = _find_fix(kind, version, entry)
                # Red Hat's advisories name a package once for each of its repositories.
                if fixed is not None and entry.id not in told:
                    told.add(entry.id)
                    found.append((entry, fixed))
            self._found[key] = found
        return found


def _find_kind(ecosystem: str) -> str:
    return KINDS_BY_ECOSYSTEM[ecosystem.partition(":")[0]]


def _find_name(ecosystem: str, name: str) -> str:
    return normalize(name) if ecosystem == PYPI else name


def _find_fix(kind: str, version: str, entry: Affected) -> str | None:
    """The version that mends this one; empty if none is known, ``None`` if it is not affected."""
    key = sort_key(kind)
    place = key(version)
    fixes = [fix for events in entry.ranges if (fix := _find_fix_in(key, place, events)) is not None]
    if fixes:
        # Of ranges that overlap, the last fix mends all; without one in any, there is none.
        return "" if "" in fixes else max(fixes, key=key)
    return "" if version in entry.versions else None


def _find_fix_in(key: Callable[[str], Key], place: Key, events: Iterable[Event]) -> str | None:
    is_affected, fix = False, ""
    ordered = [(bound != "0", key(bound), ORDER.index(what), what, bound) for what, bound in events]
    for is_number, start, _, what, bound in sorted(ordered, key=lambda event: event[:3]):
        # "0" is before all versions, whatever their order says of it.
        sign = (place > start) - (place < start) if is_number else 1
        if what == "introduced":
            is_affected = is_affected or sign >= 0
        elif sign > 0 or (what == "fixed" and sign == 0):
            is_affected = False
        elif what == "fixed" and not fix:
            fix = bound
    return fix if is_affected else None
