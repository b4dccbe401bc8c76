"""What is kept in memory from one question to the next: rows that never change once they are written."""

import json
from array import array
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select

from headless.inventory.collect.members import unpack
from headless.inventory.collect.numbering import slices
from headless.inventory.collect.schema import facts, packages, sets
from headless.inventory.package import Package

__all__ = ["Facts", "Memory"]

SLICE = 500
NUMBERS_LIMIT = 25_000_000
"""Packages' numbers kept, four bytes each: some 30,000 sets."""
ROWS_LIMIT = 500_000
"""Packages kept, and facts kept."""
GROUPS_LIMIT = 8
"""Questions whose counts are kept."""


class Facts(NamedTuple):
    """What a report has said beside its packages; see ``report.Report``."""

    tag: str = ""
    system: str = ""
    os_id: str = ""
    os_version: str = ""
    kernel: str = ""
    arch: str = ""
    interval: int = 0
    missing: tuple[tuple[str, str], ...] = ()


class Memory:
    """Sets, packages and facts, by their numbers. Several threads may use it."""

    def __init__(self) -> None:
        self._members: dict[int, array[int]] = {}
        self._size = 0
        self._packages: dict[int, Package] = {}
        self._facts: dict[int, Facts] = {}
        self._groups: dict[Hashable, list[Any]] = {}

    @property
    def groups(self) -> Mapping[Hashable, list[Any]]:
        """What was counted for the last few questions."""
        return self._groups

    def keep_groups(self, key: Hashable, groups: list[Any]) -> None:
        """Keep what was counted for the pages that follow."""
        kept = list(self._groups.items())[1 - GROUPS_LIMIT :]
        self._groups = {**dict(kept), key: groups}

    def iterate_members(self, connection: Connection, set_ids: Collection[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Each set with its packages' numbers, ascending. What is not known is read, some hundred sets at a time."""
        unknown = []
        for set_id in set_ids:
            members = self._members.get(set_id)
            if members is None:
                unknown.append(set_id)
            else:
                yield set_id, members
        for part in slices(sorted(unknown), SLICE):
            for set_id, data in connection.execute(select(sets.c.id, sets.c.members).where(sets.c.id.in_(part))):
                members = array("I", unpack(data))
                self._keep(set_id, members)
                yield set_id, members

    def find_packages(self, connection: Connection, ids: Collection[int]) -> dict[int, Package]:
        """Packages by number."""
        columns = [packages.c[name] for name in Package._fields]
        return self._find(connection, packages, columns, lambda row: Package(*row), self._packages, ids)

    def find_facts(self, connection: Connection, ids: Collection[int]) -> dict[int, Facts]:
        """Facts by number."""
        return self._find(connection, facts, [facts.c.content], lambda row: _parse_facts(row[0]), self._facts, ids)

    def _keep(self, set_id: int, members: "array[int]") -> None:
        if self._size + len(members) > NUMBERS_LIMIT:
            self._members, self._size = {}, 0
        self._members[set_id] = members
        self._size += len(members)

    @staticmethod
    def _find(
        connection: Connection, table: Table, columns: Sequence[Any], build: Any, known: dict[int, Any], ids: Any
    ) -> dict[int, Any]:
        # Another thread may clear what is known at any moment.
        found = {number: row for number in ids if (row := known.get(number)) is not None}
        unknown = [number for number in ids if number not in found]
        if len(known) + len(unknown) > ROWS_LIMIT:
            known.clear()
        for part in slices(unknown, SLICE):
            for number, *row in connection.execute(select(table.c.id, *columns).where(table.c.id.in_(part))):
                found[number] = known[number] = build(row)
        return found


def _parse_facts(content: bytes) -> Facts:
    told = json.loads(content)
    missing = tuple((source, reason) for source, reason in told.get("missing", ()))
    return Facts(**{name: told[name] for name in Facts._fields if name in told and name != "missing"}, missing=missing)
