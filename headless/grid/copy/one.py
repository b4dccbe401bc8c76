"""One file, from the question whether it must be copied at all to what became of it."""

import errno
import sys
import time

from headless.errors import HeadlessError
from headless.grid.copy.access import Replica
from headless.grid.copy.content import GridContent, open_content
from headless.grid.copy.download import get
from headless.grid.copy.replicas import ask_replicas, explain_missing, is_missing
from headless.grid.copy.upload import put
from headless.grid.copy.values import Known, Status, Transfer, TransferResult
from headless.grid.copy.work import Work
from headless.grid.errnos import ENODATA
from headless.grid.messages import GridError

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["copy_one", "fail"]

TRIES = 3


def copy_one(work: Work, transfer: Transfer) -> TransferResult:
    """Copy a file; what fails is told in the result."""
    begun_at = time.monotonic()
    try:
        status, known, storages = _copy(work, transfer)
    except GridError as exc:
        return fail(transfer, exc.exit_code, str(exc), time.monotonic() - begun_at)
    except HeadlessError as exc:
        return fail(transfer, errno.EIO, str(exc), time.monotonic() - begun_at)
    except OSError as exc:
        words = f"{exc.filename}: {exc.strerror}" if isinstance(exc.filename, str) else exc.strerror or str(exc)
        return fail(transfer, exc.errno or errno.EIO, words, time.monotonic() - begun_at)
    except ValueError as exc:  # a NUL or half a character in a path
        return fail(transfer, errno.EILSEQ, f"no name for a file of this machine: {exc}", time.monotonic() - begun_at)
    except Exception as exc:  # noqa: BLE001  # one file's boundary: the others wait for this thread
        words = f"a defect of headless: {type(exc).__name__}: {exc}"
        return fail(transfer, errno.EIO, words, time.monotonic() - begun_at)
    return TransferResult(
        transfer.lfn, transfer.path, status, 0, "", known.size, known.md5, time.monotonic() - begun_at, storages,
        transfer.is_upload,
    )  # fmt: skip


def fail(transfer: Transfer, code: int, error: str, seconds: float = 0.0) -> TransferResult:
    """The result of a transfer that has failed."""
    line = " ".join(error.split())
    return TransferResult(
        transfer.lfn, transfer.path, "failed", code, line, seconds=seconds, is_upload=transfer.is_upload
    )


def _copy(work: Work, transfer: Transfer) -> tuple[Status, Known, tuple[str, ...]]:
    work.check()
    if transfer.is_within_grid:
        return _copy_within(work, transfer)
    if not transfer.is_upload:
        return get(work, transfer)
    with open_content(transfer.path) as content:
        status, storages = put(work, transfer.lfn, content, transfer.specs, is_new=transfer.is_new)
        return status, Known(content.size, content.md5), storages


def _copy_within(work: Work, transfer: Transfer) -> tuple[Status, Known, tuple[str, ...]]:
    """From storage to storage, through this machine's memory."""
    replicas = ask_replicas(work, transfer.path, "")
    known = transfer.source if transfer.source and transfer.source.md5 else replicas[0].known
    missing = list[Replica]()
    tries = TRIES
    for left, replica in zip(reversed(range(len(replicas))), replicas, strict=True):
        content = GridContent(transfer.path, replica, known)
        try:
            status, storages = put(work, transfer.lfn, content, transfer.specs, is_new=transfer.is_new)
            return status, known, storages
        except GridError as exc:
            work.check()
            if exc.exit_code == errno.EEXIST:
                raise
            if exc.exit_code == ENODATA and is_missing(replica):
                missing.append(replica)
            else:
                tries -= 1
            if not left or not tries:
                raise explain_missing(work, transfer.path, missing, exc) if missing else exc from exc
    raise AssertionError
