"""Which storage is wished for: ``disk:2,ALICE::CERN::EOS,!ALICE::GSI::SE``."""

import re
from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["SPECS", "Specs", "parse_specs"]

_STORAGE = r"!?[\w.-]+::[\w.-]+::[\w.-]+"
_CLASS = r"[A-Za-z][\w.-]*[:=]\d{1,3}"
SPECS = rf"(?:{_STORAGE}|{_CLASS})(?:,(?:{_STORAGE}|{_CLASS}))*"
"""What such a list looks like, as a regular expression."""


@dataclass(frozen=True)
class Specs:
    """Such a list, read.

    Attributes:
        text: as it was written; empty for whatever the server thinks best.
        wanted: how many replicas are asked for; 0 if that is left to the server.
        storage_class: that replicas are taken of instead of failed ones; empty if none was named.
        excluded: storage that was ruled out.
        named: storage that was named.
    """

    text: str
    wanted: int
    storage_class: str
    excluded: tuple[str, ...]
    named: tuple[str, ...] = ()

    def replace(self, missing: int, used: Collection[str], strict: bool) -> str:
        """What to ask for instead of replicas that failed.

        Args:
            missing: how many there are.
            used: storage that was tried.
            strict: whether nothing may be taken that was not asked for.

        Returns:
            The list; empty if nothing else may be asked for.
        """
        if strict and not self.storage_class:
            return ""
        without = sorted({*self.excluded, *(f"!{name}" for name in used if name)})
        return ",".join([f"{self.storage_class or 'disk'}:{missing}", *without])

    def complete(self, present: Collection[str]) -> str:
        """What to ask for where there are replicas already; empty if none is missing.

        Args:
            present: storage that has one.
        """
        named = [name for name in self.named if name.upper() not in present]
        others = sum(name not in map(str.upper, self.named) for name in present)
        count = max(self.wanted - len(self.named) - others, 0)
        if not named and not count:
            return ""
        more = [f"{self.storage_class or 'disk'}:{count}"] if count else []
        return ",".join([*named, *more, *self.excluded, *(f"!{name}" for name in sorted(present))])

    def find_others(self, storages: Collection[str]) -> list[str]:
        """Those of the storages written to that nobody has asked for, neither by their names nor by a class."""
        if not self.named or self.storage_class:
            return []
        named = [name.upper() for name in self.named]
        return [name for name in storages if name.upper() not in named]


def parse_specs(text: str) -> Specs:
    """Read such a list; ``text`` matches :data:`SPECS` or is empty."""
    words = text.split(",") if text else []
    classes = [re.split("[:=]", word) for word in words if "::" not in word]
    named = [word for word in words if "::" in word and not word.startswith("!")]
    return Specs(
        text,
        len(named) + sum(int(count) for _, count in classes),
        classes[0][0] if classes else "",
        tuple(word for word in words if word.startswith("!")),
        tuple(named),
    )
