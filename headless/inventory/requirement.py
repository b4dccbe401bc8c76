"""``openssl<3.0.14``: a package's name, and what its version must be."""

import re
from dataclasses import dataclass

from headless.errors import ParameterError
from headless.inventory.bound import Bound, parse_bounds
from headless.inventory.package import Package
from headless.inventory.selector import Selector, parse_selector

__all__ = ["Requirement", "parse_requirement"]

REQUIREMENT = re.compile(r"\s*([^\s<>=!,~]+)\s*([<>=!].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What packages are asked for.

    Attributes:
        selector: their names.
        bounds: what must hold of their versions, all of it; none: any version.
    """

    selector: Selector
    bounds: tuple[Bound, ...] = ()

    def matches(self, package: Package) -> bool:
        """Whether a package is one of those."""
        if not self.selector.matches(package):
            return False
        version = self.selector.version_of(package)
        return all(bound.holds(package.kind, version) for bound in self.bounds)

    def __str__(self) -> str:
        return f"{self.selector} {', '.join(map(str, self.bounds))}".rstrip()


def parse_requirement(text: str) -> Requirement:
    """Read ``NAME``, ``NAME<VERSION``, ``NAME >= VERSION, < VERSION``, each also with ``src:`` before it.

    A name may hold ``*`` and ``?``. The operators are ``< <= = != >= >``; ``==``, ``<<`` and ``>>`` mean what they mean
    to Python and to Debian, and ``===`` is the whole version, nothing left out.

    Raises:
        ParameterError: it is something else; one line.
    """
    match = REQUIREMENT.fullmatch(text.rstrip())
    if not match:
        raise ParameterError(
            f"{text[:80]!r}: NAME is expected, or NAME, an operator and a version, such as 'openssl<3.0.14'"
        )
    selector = parse_selector(match[1])
    try:
        return Requirement(selector, parse_bounds(match[2]) if match[2] else ())
    except ParameterError as exc:
        raise ParameterError(f"{text.strip()[:80]!r}: {exc}") from None
