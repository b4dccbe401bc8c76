"""A report that has come, as it is stored."""

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from headless.inventory.collect.schema import FACTS
from headless.inventory.package import canonical_lines, digest
from headless.inventory.report import Report

__all__ = ["Arrival", "Identity", "Outcome", "Verdict", "build_arrival"]

Identity = tuple[str, str, str, int]
"""Site, name up to the first dot, domain, machine."""


@dataclass(frozen=True)
class Arrival:
    """A report that has come.

    Attributes:
        report: what it says.
        received: when it came, seconds since the epoch.
        digest: of its packages: ``package.digest`` of their canonical lines.
        replaces: it is read anew, and stands in place of what was read out of it before.
        any_age: it may be from before the time from which a history knows every report.
    """

    report: Report
    received: int
    digest: bytes
    replaces: bool = False
    any_age: bool = False

    @property
    def time(self) -> int:
        """When the host said it."""
        return min(self.report.made or self.received, self.received)

    @cached_property
    def identity(self) -> Identity:
        """What tells the host from others."""
        name, _, domain = self.report.host.lower().rstrip(".").partition(".")
        return self.report.site, name, domain, int(self.report.machine[:16] or "0", 16) >> 1

    @cached_property
    def facts(self) -> bytes:
        """What it says beside its packages."""
        told = {name: value for name in FACTS if (value := getattr(self.report, name))}
        if self.report.missing:
            told["missing"] = [[entry.source, entry.reason] for entry in self.report.missing]
        return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()

    @cached_property
    def facts_hash(self) -> bytes:
        """What tells these facts from others."""
        return sha256(self.facts).digest()


class Outcome(StrEnum):
    """What became of a report in the history of its host."""

    NEW = "new"
    """The host was not known."""
    CHANGED = "changed"
    """It says something else than the one before."""
    SAME = "same"
    """It says the same as the one before."""
    OLDER = "older"
    """A newer one had come before it: it is in its place in the history."""
    REPLAY = "replay"
    """It was known: nothing is changed."""
    CONFLICT = "conflict"
    """Another of the same second says otherwise, and counts; which of the two does not depend on their order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a report.

    Attributes:
        host_id: the row of its host.
    """

    outcome: Outcome
    host_id: int


def build_arrival(report: Report, received: int, *, replaces: bool = False) -> Arrival:
    """Make one of a report."""
    return Arrival(report, received, digest(canonical_lines(report.packages)), replaces)
