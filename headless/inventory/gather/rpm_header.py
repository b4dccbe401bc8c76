"""A package in rpm's databases, of whatever kind they are: a blob.

Two counts, an index, and the data that the index points into (rpm's "Header Structure", LSB part 22.2.3, without the
magic).
"""

from headless.inventory.gather.files import decode
from headless.inventory.gather.rows import Row
from headless.inventory.gather.rpm import build_row

__all__ = ["parse_header"]

NAME, VERSION, RELEASE, EPOCH, ARCH, SOURCERPM = 1000, 1001, 1002, 1003, 1022, 1044
WANTED = frozenset((NAME, VERSION, RELEASE, EPOCH, ARCH, SOURCERPM))
INT32, STRING = 4, 6


def parse_header(blob: bytes) -> Row | None:
    """Read a package; ``None`` for a key.

    Raises:
        ValueError, LookupError: it is damaged.
    """
    count, length = int.from_bytes(blob[:4], "big"), int.from_bytes(blob[4:8], "big")
    data = 8 + 16 * count
    if len(blob) != data + length:
        raise ValueError("damaged: a package's header is not as long as it says")
    found: dict[int, str] = {}
    for place in range(8, data, 16):
        tag = int.from_bytes(blob[place : place + 4], "big")
        if tag in WANTED:
            kind = int.from_bytes(blob[place + 4 : place + 8], "big")
            start = data + int.from_bytes(blob[place + 8 : place + 12], "big")
            found[tag] = _value(blob, kind, start)
    if not found.get(NAME) or not found.get(VERSION):
        raise ValueError("damaged: a package without a name or a version")
    version = f"{found.get(EPOCH, '0')}:{found[VERSION]}-{found.get(RELEASE, '')}"
    return build_row(found[NAME], version, found.get(ARCH, ""), found.get(SOURCERPM, ""))


def _value(blob: bytes, kind: int, start: int) -> str:
    if kind == INT32:
        return str(int.from_bytes(blob[start : start + 4], "big"))
    if kind != STRING:
        raise ValueError(f"damaged: a value of kind {kind} where there is none such")
    return decode(blob[start : blob.index(b"\0", start)])
