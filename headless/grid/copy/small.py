"""Small files from storage: three requests and no more, where XRootD's copying would begin threads and jobs."""

import sys
import time
from contextlib import suppress
from typing import Any

from headless.grid.copy.storage import explain, import_client
from headless.grid.copy.values import CopyOptions
from headless.grid.messages import GridError

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["SMALL", "is_simple", "read_small"]

SMALL = 1 << 20  # bytes, which are kept in memory
LIMIT_S = 90  # for which a storage may think about a request


def is_simple(options: CopyOptions) -> bool:
    """Whether nothing was asked for that only XRootD's copying can do."""
    return options.sources <= 1 and not options.rate_threshold


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


def _count_left(ends_at: float) -> int:
    return max(1, min(LIMIT_S, int(ends_at - time.monotonic())))


def _check(status: Any) -> None:
    ended = explain(status)
    if ended.code:
        raise GridError(ended.code, ended.message)
