"""The numbers of a set's packages as bytes: sorted, as distances, as variable-length integers, deflated."""

import zlib
from collections.abc import Iterable
from itertools import accumulate, pairwise

from headless.inventory.collect.varint import read_varints, write_varints

__all__ = ["pack", "unpack"]


def pack(numbers: Iterable[int]) -> bytes:
    """Write numbers, none negative; repeated ones once."""
    ordered = sorted(set(numbers))
    return zlib.compress(write_varints(after - before for before, after in pairwise([0, *ordered])), 6)


def unpack(data: bytes) -> list[int]:
    """Read them, ascending."""
    return list(accumulate(read_varints(zlib.decompress(data))))
