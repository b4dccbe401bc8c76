"""The numbers of a set's packages as bytes: sorted, as distances, as variable-length integers, deflated."""

import zlib
from collections.abc import Iterable

__all__ = ["pack", "unpack"]


def pack(numbers: Iterable[int]) -> bytes:
    """Write numbers, none negative; repeated ones once."""
    out = bytearray()
    before = 0
    for number in sorted(set(numbers)):
        distance, before = number - before, number
        while distance > 0x7F:
            out.append(distance & 0x7F | 0x80)
            distance >>= 7
        out.append(distance)
    return zlib.compress(bytes(out), 6)


def unpack(data: bytes) -> list[int]:
    """Read them, ascending."""
    numbers = []
    number = distance = shift = 0
    for byte in zlib.decompress(data):
        distance |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            number += distance
            numbers.append(number)
            distance = shift = 0
    return numbers
