"""Numbers as bytes of seven bits each, the lowest first, the eighth bit set on all but a number's last byte."""

from collections.abc import Iterable

__all__ = ["read_varints", "write_varints"]


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
    """Read them."""
    numbers = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    return numbers
