"""Hosts of one site and name, told apart by their numbers."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

__all__ = ["number_twins"]


def number_twins(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each row, with ``NAME#NUMBER`` for the hosts whose site and name are those of another row.

    Args:
        rows: of hosts, with ``site``, ``host`` and ``id``; those whose names are alike up to the first dot in a row.
    """
    for _, alike in groupby(rows, lambda row: (row["site"], row["host"].partition(".")[0])):
        group = list(alike)
        counts = Counter(row["host"] for row in group)
        for row in group:
            yield {**row, "host": f"{row['host']}#{row['id']}"} if counts[row["host"]] > 1 else row
