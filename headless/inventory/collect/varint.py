"""Numbers as bytes of seven bits each, the lowest first, the eighth bit set on all but a number's last byte."""

import re
from collections.abc import Iterable

__all__ = ["read_varints", "write_varints"]

NUMBER = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
MARKS = bytes(128) + b"\1" * 128
"""For each byte, whether its number goes on."""
KEPT = 2


def write_varints(numbers: Iterable[int]) -> bytes:
    """Write numbers, none negative."""
    out = bytearray()
    for number in numbers:
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    return bytes(out)


def read_varints(data: bytes) -> list[int]:
    """Read them: what lies between longer ones is taken at once; where most are longer, each is looked up."""
    marks = data.translate(MARKS)
    start = marks.find(1)
    if 8 * marks.count(1) > len(data):
        return list(map(VALUES.__getitem__, NUMBER.findall(data)))
    numbers: list[int] = []
    end = 0
    while start >= 0:
        numbers += data[end:start]
        end = marks.find(0, start) + 1 or len(data)
        numbers.append(VALUES[data[start:end]])
        start = marks.find(1, end)
    numbers += data[end:]
    return numbers


class _Values(dict[bytes, int]):
    """The number that some bytes mean. Those of two bytes are kept: 16,512 at most."""

    def __missing__(self, data: bytes) -> int:
        number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data))
        if len(data) <= KEPT:
            self[data] = number
        return number


VALUES = _Values()
