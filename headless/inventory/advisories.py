"""Which installed packages are known to be vulnerable, by advisories that were given as files."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from headless.inventory.ecosystems import KINDS_BY_ECOSYSTEM, PYPI, find_ecosystems
from headless.inventory.package import Package
from headless.inventory.selector import normalize, source_of, tells_sources
from headless.inventory.versions import compare, sort_key

__all__ = ["Advisories", "Affected", "Event", "Vulnerability"]

BY_SOURCE = ("dpkg", "apk")
"""The kinds whose advisories name source packages; those of all others name what is installed."""
ORDER = ("introduced", "fixed", "last_affected")


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
    """

    id: str
    package: Package
    fixed: str
    link: str
    aliases: tuple[str, ...] = ()
    severity: str = ""


@dataclass
class Advisories:
    """Advisories, by ecosystem and package."""

    _entries: dict[str, dict[str, list[Affected]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, ecosystem: str, name: str, affected: Affected) -> None:
        """Add what an advisory says of a package.

        Args:
            ecosystem: as ``ecosystems.parse_ecosystem`` has it.
        """
        self._entries[ecosystem].setdefault(_find_name(ecosystem, name), []).append(affected)

    def __len__(self) -> int:
        return sum(len(entries) for names in self._entries.values() for entries in names.values())

    def find_gap(self, os_id: str, os_version: str, packages: Iterable[Package]) -> str:
        """Why nobody can say that a system's packages are not vulnerable; empty if it can be said."""
        if not any(ecosystem in self._entries for ecosystem in find_ecosystems(os_id, os_version)):
            return f"no advisory is about {f'{os_id} {os_version}'.strip() or 'its system, which is not known'}"
        by_source = [package for package in packages if package.kind in BY_SOURCE]
        if by_source and not tells_sources(by_source):
            return "advisories go by source packages, and it tells none"
        return ""

    def find(self, os_id: str, os_version: str, packages: Iterable[Package]) -> list[Vulnerability]:
        """The vulnerable ones of a system's packages, in their order, each with all that is known of it."""
        ecosystems = (*find_ecosystems(os_id, os_version), PYPI)
        return [
            vulnerability
            for package in packages
            for ecosystem in ecosystems
            if package.kind == KINDS_BY_ECOSYSTEM[ecosystem.partition(":")[0]]
            for vulnerability in self._find_in(ecosystem, package)
        ]

    def _find_in(self, ecosystem: str, package: Package) -> Iterable[Vulnerability]:
        by_source = package.kind in BY_SOURCE
        name, version = source_of(package) if by_source else (package.name, package.version)
        told = set()
        for entry in self._entries.get(ecosystem, {}).get(_find_name(ecosystem, name), ()):
            fixed = _find_fix(package.kind, version, entry)
            # Red Hat's advisories name a package once for each of its repositories.
            if fixed is not None and entry.id not in told:
                told.add(entry.id)
                yield Vulnerability(entry.id, package, fixed, entry.link, entry.aliases, entry.severity)


def _find_name(ecosystem: str, name: str) -> str:
    return normalize(name) if ecosystem == PYPI else name


def _find_fix(kind: str, version: str, entry: Affected) -> str | None:
    """The version that mends this one; empty if none is known, ``None`` if it is not affected."""
    fixes = [fix for events in entry.ranges if (fix := _find_fix_in(kind, version, events)) is not None]
    if fixes:
        # Of ranges that overlap, the last fix mends all; without one in any, there is none.
        return "" if "" in fixes else max(fixes, key=sort_key(kind))
    return "" if version in entry.versions else None


def _find_fix_in(kind: str, version: str, events: Iterable[Event]) -> str | None:
    key = sort_key(kind)
    is_affected, fix = False, ""
    for what, bound in sorted(
        events, key=lambda event: (event.version != "0", key(event.version), ORDER.index(event.what))
    ):
        # "0" is before all versions, whatever their order says of it.
        sign = 1 if bound == "0" else compare(kind, version, bound)
        if what == "introduced":
            is_affected = is_affected or sign >= 0
        elif sign > 0 or (what == "fixed" and sign == 0):
            is_affected = False
        elif what == "fixed" and not fix:
            fix = bound
    return fix if is_affected else None
