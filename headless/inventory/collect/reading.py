"""Reports read, and lists of packages that were read before not read again.

Most hosts report what they or their like have reported before. In the text format the packages are lines of their own,
so what was read out of the same bytes is remembered by their SHA-256, together with the headers that say how they are
to be read and what they must come to. What is remembered is therefore what would be read. Of a list that is new most
lines are not: these are remembered too.
"""

import threading
from collections import OrderedDict
from dataclasses import replace
from hashlib import sha256

from headless.inventory.amount import MOST_PACKAGES
from headless.inventory.collect.arrival import Arrival, build_arrival
from headless.inventory.collect.checks import check_packages
from headless.inventory.formats import parse_report
from headless.inventory.package import Package, canonical_lines, digest
from headless.inventory.report import Report
from headless.inventory.text import read_line

__all__ = ["Reader"]

LISTS = 2_000  # remembered
ENTRIES = 4_000_000  # of all those lists: 32 MB
PACKAGES = 200_000  # distinct ones, in those lists: some 80 MB
LONGEST_LIST = 50_000  # above it nothing is remembered: hardly two hosts have the same
START, DIVIDER, EMPTY = b"#\n", b"\n#\n", b"\n#\n#\n"
OF_PACKAGES = (b"count", b"packager", b"sha256")
"""The headers that say how the packages are read, and what they must come to."""

_List = tuple[tuple[Package, ...], bytes]


class Reader:
    """Reads reports; for several threads."""

    def __init__(self, most: int = MOST_PACKAGES) -> None:
        """Args:
        most: packages that a report may have.
        """
        self._most = most
        self._lock = threading.Lock()
        self._lists: OrderedDict[bytes, _List] = OrderedDict()
        self._packages: dict[tuple[str, bytes], Package] = {}
        self._entries = 0

    def read(self, content: bytes, received: int, *, replaces: bool = False) -> Arrival:
        """Read a report.

        Args:
            content: opened.
            received: when it came, seconds since the epoch.
            replaces: see :class:`Arrival`.

        Raises:
            BadReport: it is none, or a package has what no package can have.
        """
        head, divider, rest = content.partition(DIVIDER)
        if not content.startswith(START) or not divider or rest.count(b"\n") > LONGEST_LIST:
            return self._read_once(content, received, replaces)
        mine, others = _divide(head)
        key = sha256(b"\n".join(mine) + DIVIDER + rest).digest()
        known = self._find(key)
        if known is None:
            report = self._parse(content)
            known = self._remember(key, report.packages)
            return Arrival(report, received, known[1], replaces)
        # How the other headers are read is the parser's own business: it gets them with no packages.
        report = replace(parse_report(b"\n".join(others) + EMPTY), packages=known[0])
        return Arrival(report, received, known[1], replaces)

    def _find(self, key: bytes) -> _List | None:
        with self._lock:
            known = self._lists.get(key)
            if known is not None:
                self._lists.move_to_end(key)
            return known

    def _read_once(self, content: bytes, received: int, replaces: bool) -> Arrival:
        report = parse_report(content, most=self._most)
        check_packages(report.packages)
        return build_arrival(report, received, replaces=replaces)

    def _parse(self, content: bytes) -> Report:
        """Read it with the lines that are known; the others are known from then on, if they are good."""
        with self._lock:
            if len(self._packages) > PACKAGES:  # they are freed only with the lists that have them
                self._packages = {}
                self._lists.clear()
                self._entries = 0
            known, new = self._packages, dict[tuple[str, bytes], Package]()

        def read(packager: str, line: bytes) -> Package:
            key = packager, line
            package = known.get(key) or new.get(key)
            if package is None:
                package = new[key] = read_line(packager, line)
            return package

        report = parse_report(content, read, self._most)
        if new:
            check_packages(list(new.values()))
        known.update(new)
        return report

    def _remember(self, key: bytes, packages: tuple[Package, ...]) -> _List:
        found = digest(canonical_lines(packages))
        with self._lock:
            if key not in self._lists:  # another thread may have been at the same
                self._lists[key] = packages, found
                self._entries += len(packages)
            while len(self._lists) > LISTS or self._entries > ENTRIES:
                self._entries -= len(self._lists.popitem(last=False)[1][0])
        return packages, found


def _divide(head: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines of the headers that concern the packages, and the others."""
    mine: list[bytes] = []
    others: list[bytes] = []
    for line in head.split(b"\n"):
        (mine if line.partition(b":")[0].strip() in OF_PACKAGES else others).append(line)
    return mine, others
