"""What hosts are judged by, all of it: references and advisories; and the rows that come of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from headless.inventory.advisories import Advisories
from headless.inventory.package import Package
from headless.inventory.reference import Fault, Reference, judge_host
from headless.inventory.rule import HostFacts
from headless.inventory.verdict import Row, build_gap_row, build_row, build_vulnerable_row

__all__ = ["JudgedSet", "Standard"]


@dataclass(frozen=True)
class Standard:
    """What hosts are judged by.

    Attributes:
        references: any number.
        advisories: ``None`` if vulnerabilities are not asked for.
        now: when, seconds since the epoch.
    """

    references: tuple[Reference, ...]
    advisories: Advisories | None
    now: float

    def is_meant_for(self, host: HostFacts) -> bool:
        """Whether there is anything to judge a host by: else no rows do not mean that it conforms."""
        return self.advisories is not None or any(reference.applies_any(host) for reference in self.references)


@dataclass
class JudgedSet:
    """A set of packages, judged once for all hosts that have it.

    Hosts that also agree in all that a rule may ask are judged once too; only their names are put in.
    """

    standard: Standard
    packages: Sequence[Package]
    _faults: list[tuple[Fault, ...]] = field(init=False, repr=False)
    _rows: dict[HostFacts, list[Row]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._faults = [reference.find_faults(self.packages) for reference in self.standard.references]

    def build_rows(self, host: HostFacts) -> list[Row]:
        """The rows of a host that has these packages; none if it conforms, or nothing is meant for it."""
        group = replace(host, host="")
        if group not in self._rows:
            self._rows[group] = [*self._judge(group), *self._find_vulnerable(group)]
        return [row._replace(host=host.host) for row in self._rows[group]]

    def _judge(self, host: HostFacts) -> list[Row]:
        return [
            build_row(host, shortfall)
            for reference, faults in zip(self.standard.references, self._faults, strict=True)
            for shortfall in judge_host(reference, faults, host, self.standard.now)
        ]

    def _find_vulnerable(self, host: HostFacts) -> list[Row]:
        advisories = self.standard.advisories
        if advisories is None:
            return []
        found = advisories.find(host.os_id, host.os_version, self.packages)
        rows = [build_vulnerable_row(host, vulnerability) for vulnerability in found]
        gap = advisories.find_gap(host.os_id, host.os_version, self.packages, host.missing)
        return [*rows, build_gap_row(host, "vulnerabilities", gap)] if gap else rows
