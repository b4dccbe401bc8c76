"""One rule of a reference: which packages on which hosts, and what must hold of them."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from headless.inventory.bound import Bound
from headless.inventory.os_release import SystemPattern, parse_system
from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.selector import Selector, tells_sources

__all__ = ["SYSTEM_KINDS", "HostFacts", "Rule"]

SYSTEM_KINDS = ("rpm", "dpkg", "apk", "pkg", "other")
"""The kinds that a rule means if it names none. Python's distributions are none of them: one that an OS package has
brought would be judged twice, by two ways of counting."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What rules may ask of a host, but for its packages.

    Attributes:
        host, site, tag: its names.
        os_id, os_version: of os-release; empty if not known.
        missing: the kinds of packages that it could not read.
        tells_sources: its packages name their source packages.
    """

    host: str
    site: str = ""
    tag: str = ""
    os_id: str = ""
    os_version: str = ""
    missing: frozenset[str] = frozenset()
    tells_sources: bool = True

    @classmethod
    def from_report(cls, report: Report) -> Self:
        """Of a report. A system that only the text tells is recognized where it can be."""
        os_id, os_version = report.os_id, report.os_version
        if not os_id:
            os_id, os_version = parse_system(report.system)
        missing = frozenset(entry.source for entry in report.missing)
        sources = tells_sources(report.packages)
        return cls(report.host, report.site, report.tag, os_id, os_version, missing, sources)

    @property
    def has_gaps(self) -> bool:
        """Something is not known of it."""
        return bool(self.missing) or not self.os_id or not self.tells_sources


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        number: in its reference, from 1.
        selector: the packages it is about.
        kinds: their kinds.
        alternatives: of these one must hold of a package's version, all bounds of it; none: any version is right.
        is_absent: no such package may be installed.
        is_required: such a package must be installed. Else one that is not installed is right.
        one_is_enough: where a package is installed in several versions, as kernels are, one that is right is enough.
        systems, tags, sites: the hosts it applies to, by patterns; empty: all.
        deadline: when it must be met, seconds since the epoch; ``None``: at once.
        grace_s: how much later it is overdue, in seconds.
        severity, comment, link: for people.
    """

    number: int
    selector: Selector
    kinds: tuple[str, ...] = SYSTEM_KINDS
    alternatives: tuple[tuple[Bound, ...], ...] = ()
    is_absent: bool = False
    is_required: bool = False
    one_is_enough: bool = False
    systems: tuple[SystemPattern, ...] = ()
    tags: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    deadline: int | None = None
    grace_s: int = 0
    severity: str = ""
    comment: str = ""
    link: str = ""

    @property
    def wanted(self) -> str:
        """What must hold, as people say it: ">= 3.0.14", "absent", "installed"."""
        if self.is_absent:
            return "absent"
        return " or ".join(", ".join(map(str, bounds)) for bounds in self.alternatives) or "installed"

    def accepts(self, package: Package) -> bool:
        """Whether a package that it is about is as it must be."""
        if self.is_absent:
            return False
        version = self.selector.version_of(package)
        return not self.alternatives or any(
            all(bound.holds(package.kind, version) for bound in bounds) for bounds in self.alternatives
        )

    def applies(self, host: HostFacts) -> bool:
        """Whether it is meant for a host. A system that is not known may be meant: ``find_gap`` tells."""
        return (
            _is_in(host.site, self.sites)
            and _is_in(host.tag, self.tags)
            and (
                not self.systems
                or not host.os_id
                or any(pattern.matches(host.os_id, host.os_version) for pattern in self.systems)
            )
        )

    def find_gap(self, host: HostFacts) -> str:
        """Why nobody can say whether a host conforms; empty if it can be said, or the rule is not meant for it."""
        if not self.applies(host):
            return ""
        if self.systems and not host.os_id:
            return "the host's system is not known"
        if missing := sorted(host.missing.intersection(self.kinds)):
            return f"the host could not read: {', '.join(missing)}"
        return "the host tells no source packages" if self.selector.is_source and not host.tells_sources else ""


def _is_in(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
