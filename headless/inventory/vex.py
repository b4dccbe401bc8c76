"""What advisories say and does not count: the statements of VEX files, "not affected" and the like."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headless.inventory.package import Package
from headless.inventory.product import Product

__all__ = ["Exceptions", "Statement"]


class Statement(NamedTuple):
    """What somebody has found out of a vulnerability in a product.

    Attributes:
        product: the packages it is about.
        time: when it was said, seconds since the epoch; of several the last one counts.
        takes_away: the product is not vulnerable.
        reason: for people: the status, and its justification.
    """

    product: Product
    time: float
    takes_away: bool
    reason: str


@dataclass
class Exceptions:
    """Statements, by the name of the vulnerability."""

    _statements: defaultdict[str, list[Statement]] = field(default_factory=lambda: defaultdict(list))

    def add(self, vulnerability: str, statement: Statement) -> None:
        """Add a statement."""
        self._statements[vulnerability.upper()].append(statement)

    def __len__(self) -> int:
        return sum(map(len, self._statements.values()))

    def explain(self, names: Sequence[str], package: Package, os_id: str, os_version: str) -> str:
        """Why an advisory does not count for a package; empty if it does.

        Args:
            names: the advisory's own, and its others. One that is made of several CVEs counts until all of them are
                taken away.
        """
        own = self._find(names[0], package, os_id, os_version)
        if own:
            return own.reason if own.takes_away else ""
        others = [name for name in names[1:] if name.startswith("CVE-")]
        found = [(name, self._find(name, package, os_id, os_version)) for name in others or names[1:]]
        if others and not all(statement for _, statement in found):
            return ""
        told = [(name, statement) for name, statement in found if statement]
        if not all(statement.takes_away for _, statement in told):
            return ""
        return "; ".join(f"{name}: {statement.reason}" for name, statement in told)

    def _find(self, name: str, package: Package, os_id: str, os_version: str) -> Statement | None:
        """The last statement; of several that were made at a time, one that takes nothing away."""
        meant = [
            statement
            for statement in self._statements.get(name.upper(), ())
            if statement.product.means(package, os_id, os_version)
        ]
        return max(meant, key=lambda statement: (statement.time, not statement.takes_away), default=None)
