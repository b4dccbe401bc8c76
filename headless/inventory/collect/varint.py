"""Numbers as bytes of seven bits each, the lowest first, the eighth bit set on all but a number's last byte."""

import re
from collections.abc import Iterable

__all__ = ["read_varints", "write_varints"]

LONGER = re.compile(rb"[\x80-\xff]+[\x00-\x7f]")


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
    """Read them. Most are of one byte: those between longer ones are taken at once."""
    numbers: list[int] = []
    end = 0
    for match in LONGER.finditer(data):
        numbers += data[end : match.start()]
        end = match.end()
        numbers.append(sum((byte & 0x7F) << 7 * place for place, byte in enumerate(match[0])))
    numbers += data[end:]
    return numbers
