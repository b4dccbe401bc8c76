"""The numbers of what is stored once: sites, domains, hosts, packages, sets, facts.

What a transaction has numbered is remembered only when it is committed: what is remembered is in the database.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, select, tuple_

__all__ = ["LIMIT", "Known", "Numbering", "slices"]

LIMIT = 300_000
"""What is remembered of a table, some 50 MB; above it all is forgotten, and found anew."""

INDEXED = 2  # columns of a key that is a tuple, by which it is looked up
SLICE = 500  # keys in one statement: SQLite takes some 32,000 values, 5 for each


class Known:
    """What is known to be in the database: for a table the number of each key."""

    def __init__(self) -> None:
        self._tables: dict[Table, dict[Hashable, int]] = {}

    def get(self, table: Table) -> Mapping[Hashable, int]:
        """What is known of a table."""
        return self._tables.setdefault(table, {})

    def add(self, learned: Mapping[Table, Mapping[Hashable, int]]) -> None:
        """Remember what a transaction that is committed has found and added."""
        for table, numbers in learned.items():
            known = self._tables.setdefault(table, {})
            if len(known) + len(numbers) > LIMIT:
                known.clear()
            if len(numbers) <= LIMIT:
                known.update(numbers)


class Numbering:
    """The numbers that one transaction needs.

    Attributes:
        learned: what it has found or added: for :meth:`Known.add`, once it is committed.
    """

    def __init__(self, connection: Connection, known: Known) -> None:
        self._connection = connection
        self._known = known
        self.learned: dict[Table, dict[Hashable, int]] = {}

    def find(self, table: Table, names: Sequence[str], keys: Iterable[Hashable]) -> dict[Hashable, int]:
        """The numbers of those keys that are there.

        Args:
            table: where to look.
            names: of the columns that make a key; if there are several, a key is a tuple, and the table has an index of
                the first two.
            keys: to look for.
        """
        columns = [table.c[name] for name in names]
        learned, known = self.learned.setdefault(table, {}), self._known.get(table)
        found: dict[Hashable, int] = {}
        unknown: list[Hashable] = []
        for key in dict.fromkeys(keys):
            number = learned.get(key) or known.get(key)
            if number is None:
                unknown.append(key)
            else:
                found[key] = number
        wanted = set(unknown)
        indexed = columns[:INDEXED]
        for part in slices(unknown, SLICE):
            for number, *values in self._connection.execute(_ask(table, columns, indexed, part)):
                key = tuple(values) if len(columns) > 1 else values[0]
                if key in wanted:
                    found[key] = learned[key] = number
        return found

    def add(self, table: Table, rows: Mapping[Any, Mapping[str, Any]]) -> dict[Hashable, int]:
        """Add rows whose keys are not there; return their numbers.

        Nobody else adds any before this transaction's end: a database has one writer at a time.
        """
        if not rows:
            return {}
        first = (self._connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
        numbers = {key: number for number, key in enumerate(rows, first)}
        self._connection.execute(insert(table), [{"id": numbers[key], **row} for key, row in rows.items()])
        self.learned.setdefault(table, {}).update(numbers)
        return numbers

    def number_names(self, table: Table, names: Iterable[str]) -> dict[Hashable, int]:
        """The numbers of names, those added that are not there."""
        wanted = dict.fromkeys(names)
        found = self.find(table, ["name"], wanted)
        return found | self.add(table, {name: {"name": name} for name in wanted if name not in found})


def slices(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Parts of at most that many."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _ask(table: Table, columns: Sequence[Column[Any]], indexed: Sequence[Column[Any]], keys: Sequence[Any]) -> Any:
    if len(columns) == 1:
        return select(table.c.id, *columns).where(columns[0].in_(keys))
    # SQLite looks such a tuple up in an index only if it has all of it.
    starts = dict.fromkeys(key[: len(indexed)] for key in keys)
    return select(table.c.id, *columns).where(tuple_(*indexed).in_(starts))
