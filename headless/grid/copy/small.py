"""Small files from and to storage: three requests and no more, where XRootD's copying would begin threads and jobs."""

import sys
import time
from contextlib import suppress
from typing import Any

from headless.grid.copy.storage import Ended, explain, import_client
from headless.grid.copy.values import CopyOptions
from headless.grid.messages import GridError

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["SMALL", "is_simple", "read_small", "write_small"]

SMALL = 1 << 20  # bytes, which are kept in memory
LIMIT_S = 90  # for which a storage may think about a request
ANSWERED, EXPIRED = 400, 206  # XRootD's client: the storage has refused, or was too slow; another try is of no use


def is_simple(options: CopyOptions) -> bool:
    """Whether nothing was asked for that only XRootD's copying can do."""
    has_pages = bool(import_client().EnvGetInt("CpUsePgWrtRd"))  # only copying sends their checksums
    return options.sources <= 1 and not options.rate_threshold and not has_pages


def read_small(address: str, size: int, options: CopyOptions) -> bytes:
    """Read a file of a storage.

    Args:
        address: its URL.
        size: that it should have; of a longer one there is a byte more.
        options: of the copying.

    Raises:
        GridError: it cannot be read.
    """
    ends_at = time.monotonic() + (options.timeout_s or 3 * LIMIT_S)
    file = import_client().File()
    _check(file.open(address, timeout=_count_left(ends_at))[0])
    try:
        status, data = file.read(0, size + 1, timeout=_count_left(ends_at))
        _check(status)
        return bytes(data)
    finally:
        with suppress(Exception):
            file.close(timeout=_count_left(ends_at))


def write_small(address: str, data: bytes, options: CopyOptions) -> Ended:
    """Write a file to a storage, where none must be.

    Args:
        address: its URL.
        data: all of it.
        options: of the copying.

    Returns:
        How it ended.
    """
    ends_at = time.monotonic() + options.timeout_s if options.timeout_s else 0.0
    for left in reversed(range(1 + options.retries)):
        status = _write(f"{address}&oss.asize={len(data)}", data, options, ends_at)
        is_late = ends_at and time.monotonic() >= ends_at
        if status.ok or status.code in (ANSWERED, EXPIRED) or is_late or not left:
            break
    return explain(status)


def _write(address: str, data: bytes, options: CopyOptions, ends_at: float) -> Any:
    from XRootD.client.flags import AccessMode, OpenFlags

    def count_left() -> int:
        """0 is XRootD's own limit for a request, which is long: the bytes of a slow network are on their way."""
        return max(1, int(ends_at - time.monotonic())) if ends_at else 0

    flags = OpenFlags.UPDATE | OpenFlags.NEW | OpenFlags.MAKEPATH | (OpenFlags.POSC if options.posc else 0)
    mode = AccessMode.UR | AccessMode.UW | AccessMode.GR | AccessMode.OR
    file = import_client().File()
    status, _ = file.open(address, flags, mode, timeout=min(count_left() or LIMIT_S, LIMIT_S))
    if not status.ok:
        return status
    written, _ = file.write(data, timeout=count_left())
    closed, _ = file.close(timeout=count_left())
    return closed if written.ok else written


def _count_left(ends_at: float) -> int:
    return max(1, min(LIMIT_S, int(ends_at - time.monotonic())))


def _check(status: Any) -> None:
    ended = explain(status)
    if ended.code:
        raise GridError(ended.code, ended.message)
