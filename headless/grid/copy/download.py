"""Reads files from the grid: to a temporary name in the folder, verified, then put in place."""

import errno
import hashlib
import os
import shutil
import sys
import zipfile
import zlib
from contextlib import ExitStack

from headless.grid.copy.access import Replica, parse_known
from headless.grid.copy.hashing import STRONG, Hashing, hash_file, hash_sums, select_kinds
from headless.grid.copy.limit import copy_within_limit, run_within
from headless.grid.copy.local import Target, name_descriptor, open_target
from headless.grid.copy.replicas import ask_replicas, explain_missing
from headless.grid.copy.small import SMALL, is_simple, read_small
from headless.grid.copy.told import ask_told, is_same_sum
from headless.grid.copy.values import Known, Status, Transfer
from headless.grid.copy.work import Work
from headless.grid.errnos import EBADFD, ENODATA
from headless.grid.messages import GridError

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["get"]

EMPTY = Known(0, "d41d8cd98f00b204e9800998ecf8427e")
TRIES = 3
LARGE = 8 << 20  # bytes; from here on a thread that computes the md5 meanwhile is worth its start


def get(work: Work, transfer: Transfer) -> tuple[Status, Known, tuple[str, ...]]:
    """Copy a file of the grid to its path.

    Returns:
        What became of it, what it is, and where it was read.

    Raises:
        GridError: it failed; what was there is as it was. EEXIST: it is there, differs, and is not to be replaced.
        OSError: this machine has failed; likewise.
    """
    work.sweeper.sweep(os.path.dirname(transfer.path))
    with open_target(transfer.path, transfer.root) as target:
        if transfer.source is not None and transfer.source.md5 and _is_done(work, target, transfer.source):
            return "same", transfer.source, ()
        if transfer.source is not None and transfer.source.size == 0:
            return _make_empty(work, target)
        try:
            replicas = ask_replicas(work, transfer.lfn, transfer.specs)
        except GridError as exc:
            if exc.exit_code == EBADFD and _is_empty(work, transfer.lfn):
                return _make_empty(work, target)
            raise
        known = transfer.source if transfer.source and transfer.source.md5 else replicas[0].known
        if known != transfer.source and _is_done(work, target, known):
            return "same", known, ()
        return _get_any(work, target, known, transfer.lfn, replicas)


def _is_empty(work: Work, lfn: str) -> bool:
    rows = work.pool.ask("stat", "-nomsg", lfn).rows
    return bool(rows) and parse_known(rows[0]).size == 0


def _make_empty(work: Work, target: Target) -> tuple[Status, Known, tuple[str, ...]]:
    """No storage holds a file of no bytes."""
    if _is_done(work, target, EMPTY):
        return "same", EMPTY, ()
    with target.write_temporary(work.under_way) as descriptor:
        return _place(work, target, EMPTY, descriptor), EMPTY, ()


def _is_done(work: Work, target: Target, known: Known) -> bool:
    """Whether the file is there already.

    Raises:
        GridError: EEXIST: another one is, and it is not to be replaced.
    """
    if target.look() is None:
        return False
    if target.holds(known):
        return True
    if not work.options.force:
        raise GridError(errno.EEXIST, f"{target.path} is there and differs: give -f to replace it")
    return False


def _get_any(
    work: Work, target: Target, known: Known, lfn: str, replicas: list[Replica]
) -> tuple[Status, Known, tuple[str, ...]]:
    """Read the first replica that can be read; where there are few, each has another chance, unless it is wrong.

    Each that is missing is passed by at once: only where all are is the file lost.
    """
    left, missing = list(replicas), list[Replica]()
    tries = TRIES if work.options.recover else 1
    while left and tries:
        replica = left.pop(0)
        try:
            with target.write_temporary(work.under_way) as descriptor:
                found = _read(work, replica, known, descriptor)
                if not known.md5 and not replica.member:
                    _check_told(work, replica, descriptor)
                return _place(work, target, found, descriptor), found, (replica.storage,)
        except GridError as exc:
            work.check()
            if exc.exit_code == errno.EEXIST:
                raise
            failure = GridError(exc.exit_code, f"{replica.storage or replica.url}: {exc}")
            if exc.exit_code == ENODATA:
                missing.append(replica)
                tries -= not work.options.recover
                continue
            tries -= 1
            left += [] if exc.exit_code == errno.EBADMSG else [replica]
    raise explain_missing(work, lfn, missing, failure) if missing else failure


def _place(work: Work, target: Target, found: Known, descriptor: int) -> Status:
    work.check()
    try:
        target.put_in_place(descriptor, work.folders.note, replace=work.options.force)
    except FileExistsError as exc:
        if target.holds(found):  # another run has copied it meanwhile
            return "same"
        raise GridError(errno.EEXIST, f"{target.path} is there and differs: give -f to replace it") from exc
    return "copied"


def _read(work: Work, replica: Replica, known: Known, descriptor: int) -> Known:
    """Fetch into an open file, and verify what has come."""
    if replica.member and work.options.unzip_here:
        return _check(_unzip(work, replica, descriptor), known)
    if 0 <= known.size <= SMALL and not replica.member and is_simple(work.options):
        return _check(_read_small(work, replica.address, known.size, descriptor), known)
    hashing = Hashing(descriptor) if known.size >= LARGE else None
    try:
        _fetch(work, replica.address, descriptor, hashing)
        size = os.fstat(descriptor).st_size
        md5 = hashing.finish(size) if hashing is not None else ""
        if not md5 or md5 != known.md5:  # bytes may have been read before they were there: the file itself decides
            md5 = hash_file(descriptor)
    finally:
        if hashing is not None:
            hashing.stop()
    return _check(Known(size, md5), known)


def _read_small(work: Work, address: str, size: int, descriptor: int) -> Known:
    with work.slots:
        work.check()
        data = run_within(work.options.timeout_s, lambda: read_small(address, size, work.options))
    work.gauge.moved += len(data)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
    except OSError as exc:
        raise OSError(exc.errno, f"cannot be written here: {exc.strerror}") from exc
    return Known(len(data), hashlib.md5(data, usedforsecurity=False).hexdigest())


def _fetch(work: Work, address: str, descriptor: int, hashing: Hashing | None = None) -> None:
    with work.slots:
        work.check()
        [ended] = copy_within_limit(address, [name_descriptor(descriptor)], work.options, work.watch(hashing))
    if ended.code in (errno.ENOSPC, 122) or (ended.code and os.fstat(descriptor).st_nlink == 0):
        raise OSError(ended.code, f"cannot be written here: {ended.message}")
    if ended.code:
        raise GridError(ended.code, ended.message)


def _check(found: Known, known: Known) -> Known:
    """See that what has come is what is registered."""
    if known.size >= 0 and found.size != known.size:
        raise GridError(errno.EBADMSG, f"{found.size} bytes have come, and {known.size} are registered")
    if known.md5 and found.md5 != known.md5:
        raise GridError(errno.EBADMSG, f"what has come has the md5 {found.md5}, and {known.md5} is registered")
    return found


def _check_told(work: Work, replica: Replica, descriptor: int) -> None:
    """See that what has come is what the storage has, by its own checksum: nothing is registered to compare with."""
    told = ask_told(work, replica, select_kinds(STRONG))
    if told is None:
        return
    kind, stored = told
    if not is_same_sum(stored, found := hash_sums(descriptor, (kind,))[kind]):
        raise GridError(errno.EBADMSG, f"what has come has the {kind} {found}, and the storage says {stored}")


def _unzip(work: Work, replica: Replica, descriptor: int) -> Known:
    """Fetch the whole archive, and take the member out here."""
    import tempfile

    with ExitStack() as stack:
        archive = stack.enter_context(tempfile.TemporaryFile())
        _fetch(work, replica.whole_address, archive.fileno())
        try:
            member = stack.enter_context(zipfile.ZipFile(archive).open(replica.member))
            with open(descriptor, "wb", closefd=False) as file:
                shutil.copyfileobj(member, file)
        except KeyError as exc:
            raise GridError(ENODATA, f"no {replica.member!r} in the archive: {exc}") from exc
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
            raise GridError(errno.EBADMSG, f"{replica.member!r} cannot be taken out of the archive: {exc}") from exc
    return Known(os.fstat(descriptor).st_size, hash_file(descriptor))
