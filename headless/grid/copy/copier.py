"""Copies files between this machine and the grid: many at a time, metadata ahead of the bytes."""

from collections.abc import Iterable, Iterator

from headless.grid.copy.values import CopyOptions, Transfer, TransferResult
from headless.grid.messages import GridError
from headless.grid.session import GridSession

__all__ = ["Copier", "fetch", "store"]

ENOSYS = 38


class Copier:
    """Copies, with a session and more of its kind that it opens as needed. Use it as a context manager, or close it."""

    def __init__(self, session: GridSession, options: CopyOptions) -> None:
        self._session = session
        self._options = options

    def run(self, transfers: Iterable[Transfer]) -> Iterator[TransferResult]:
        """Copy; the results come as the files end, one for each transfer. The transfers are taken as needed."""
        for transfer in transfers:
            yield TransferResult(transfer.lfn, transfer.path, "failed", ENOSYS, "not built yet")

    def close(self) -> None:
        """End the sessions that were opened for copying. Never raises."""


def fetch(session: GridSession, lfn: str, path: str, options: CopyOptions | None = None) -> TransferResult:
    """Download one file to a path, whole and verified or not at all.

    Raises:
        GridError: it failed.
    """
    return _copy_one(session, Transfer(lfn, path, False), options)


def store(
    session: GridSession, path: str, lfn: str, specs: str = "", options: CopyOptions | None = None
) -> TransferResult:
    """Upload one file to an LFN, registered and verified or not at all.

    Raises:
        GridError: it failed.
    """
    return _copy_one(session, Transfer(lfn, path, True, specs=specs), options)


def _copy_one(session: GridSession, transfer: Transfer, options: CopyOptions | None) -> TransferResult:
    copier = Copier(session, options or CopyOptions())
    try:
        result = next(copier.run([transfer]))
    finally:
        copier.close()
    if result.status == "failed":
        raise GridError(result.code, result.error)
    return result
