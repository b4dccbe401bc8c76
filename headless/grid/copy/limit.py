"""A time limit for what cannot be interrupted: XRootD's client looks at its clock between chunks, and never in one."""

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

from headless.grid.copy.local import DESCRIPTORS, name_descriptor
from headless.grid.copy.small import write_small
from headless.grid.copy.storage import Ended, Progress, copy_bytes
from headless.grid.copy.values import CopyOptions
from headless.grid.messages import GridError

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["begin_within", "copy_within_limit", "keep_open", "run_within", "write_within_limit"]

GRACE_S = 2.0  # for which XRootD may clean up after its own time limit
Result = TypeVar("Result")


def copy_within_limit(source: str, targets: Sequence[str], options: CopyOptions, progress: Progress) -> list[Ended]:
    """See :func:`copy_bytes`, which keeps ``timeout_s`` only as long as chunks arrive in time."""
    stack = ExitStack()
    own_source, *own = [stack.enter_context(keep_open(path)) for path in (source, *targets)]

    def copy() -> list[Ended]:
        with stack:
            return copy_bytes(own_source, own, options, progress)

    try:
        return run_within(options.timeout_s, copy)
    except GridError as exc:
        progress.give_up()
        return [Ended(exc.exit_code, str(exc))] * len(targets)


def write_within_limit(targets: Sequence[str], data: bytes, options: CopyOptions) -> list[Ended]:
    """Write a small file to all targets at once; see :func:`write_small`."""
    first, *others = [partial(write_small, target, data, options) for target in targets]
    begun = [begin_within(options.timeout_s, other) for other in others]
    return [_end(partial(run_within, options.timeout_s, first)), *map(_end, begun)]


def _end(call: Callable[[], Ended]) -> Ended:
    try:
        return call()
    except GridError as exc:
        return Ended(exc.exit_code, str(exc))


def run_within(limit_s: int, function: Callable[[], Result]) -> Result:
    """Call a function; one that takes longer is left behind, in a thread that nobody waits for.

    Args:
        limit_s: seconds, of which there are :data:`GRACE_S` more; 0 for no limit.
        function: must hold what it needs, for its caller may be gone before it ends.

    Raises:
        GridError: ETIMEDOUT.
        Exception: what the function has raised.
    """
    return begin_within(limit_s, function)() if limit_s else function()


def begin_within(limit_s: int, function: Callable[[], Result]) -> Callable[[], Result]:
    """Begin to call a function in a thread; see :func:`run_within`.

    Returns:
        Waits for its end, and does as :func:`run_within` does.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as exc:  # noqa: BLE001  # raised again by whoever waits
            errors.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system grants no thread: XRootD's own limit is left
        return function
    until = time.monotonic() + limit_s + GRACE_S

    def wait() -> Result:
        thread.join(max(until - time.monotonic(), 0) if limit_s else None)
        if errors:
            raise errors[0]
        if not results:
            raise GridError(errno.ETIMEDOUT, f"it has taken longer than {limit_s} s, and was given up")
        return results[0]

    return wait


@contextmanager
def keep_open(path: str) -> Iterator[str]:
    """A path for the block, where it is one of :func:`name_descriptor`, that stays good when the descriptor is closed.

    XRootD opens it when it comes to it; by then the number may be some other file's.
    """
    if os.path.dirname(path) != DESCRIPTORS:
        yield path
        return
    descriptor = os.dup(int(os.path.basename(path)))
    try:
        yield name_descriptor(descriptor)
    finally:
        os.close(descriptor)
