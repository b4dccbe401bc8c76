"""Writes files to the grid: bytes to storage, verified, then registered; a file that is replaced goes last."""

import errno
import posixpath
from contextlib import suppress
from dataclasses import dataclass, field

from headless.grid.copy.access import Replica, check_committed, parse_known, parse_replicas
from headless.grid.copy.content import Content
from headless.grid.copy.limit import copy_within_limit, write_within_limit
from headless.grid.copy.pool import SessionPool
from headless.grid.copy.remote_sweep import name_replaced, name_temporary
from headless.grid.copy.replicas import is_lost
from headless.grid.copy.small import is_simple
from headless.grid.copy.specs import Specs, parse_specs
from headless.grid.copy.storage import Ended
from headless.grid.copy.stored import DoubtfulError, ask_stored, check_registered, check_stored
from headless.grid.copy.told import Told
from headless.grid.copy.values import Known, Status
from headless.grid.copy.work import Work
from headless.grid.errnos import ENOTCONN
from headless.grid.messages import GridError
from headless.grid.moving import move

__all__ = ["look", "put"]

TRIES = 3
NO_STORAGE = (errno.ENOSPC, errno.ENOENT, 77)  # what servers say where none is left


class _IncompleteError(GridError):
    """Some replicas are there and registered, and others could not be written."""


@dataclass
class _Written:
    """The replicas that were written so far, and the envelopes of those that were not."""

    storages: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    wanted: int = 0
    is_named: bool = False
    failure: GridError | None = None


def put(work: Work, lfn: str, content: Content, specs: str, *, is_new: bool) -> tuple[Status, tuple[str, ...]]:
    """Write a file to an LFN.

    A file that is there and differs, or is at none of its storages, or of which the server knows that a replica is
    broken, is replaced only if that was asked for, in this order: the new one is written and registered under a hidden
    name beside it; the old one is moved to another hidden name; the new one is moved to the LFN; the old one is
    removed. Whoever is killed in between leaves both whole, and the next run with ``-f`` in the folder settles what is
    hidden: the old one goes back if nothing is in its place.

    Args:
        work: of the run.
        lfn: absolute.
        content: to be written.
        specs: of the storage.
        is_new: whether nothing is there, as is known.

    Returns:
        What became of it, and where the replicas are.

    Raises:
        GridError: it failed. EEXIST: what is there differs. What was there still is.
    """
    if work.options.force and work.remote_sweeper.sweep(work.pool, posixpath.dirname(lfn)):
        is_new = False  # something may have come back
    present = None if is_new else look(work.pool, lfn)
    if present is not None:
        is_same = present.size == content.size and present.md5 and present.md5 == content.finish()
        if is_same and not (work.options.force and content.size and _is_spoilt(work, lfn)):
            return _complete(work, lfn, content, parse_specs(specs))
        if not is_same and not work.options.force:
            raise GridError(errno.EEXIST, f"{lfn} is there and differs: give -f to replace it")
    if present is None:
        return _write_new(work, lfn, content, parse_specs(specs))
    temporary = name_temporary(lfn)
    try:
        written = _write(work, temporary, content, parse_specs(specs))
        work.check()
        _exchange(work, temporary, lfn)
    except BaseException:
        with suppress(GridError):  # it may never have been registered
            work.pool.run("rm", "-nomsg", "-f", temporary)
        raise
    return "copied", tuple(written.storages)


def look(pool: SessionPool, lfn: str) -> Known | None:
    """What is at an LFN; ``None`` if nothing is.

    Raises:
        GridError: EISDIR: a folder is; or the server does not say.
    """
    reply = pool.run("stat", "-nomsg", lfn)
    if reply.code == errno.ENOENT:
        return None
    if reply.code or not reply.rows:
        raise GridError(reply.code or 71, f"{lfn}: {reply.error or 'the server says nothing of it'}")
    if reply.rows[0].get("type") != "f":
        raise GridError(errno.EISDIR, f"{lfn} is a folder")
    return parse_known(reply.rows[0])


def _write_new(work: Work, lfn: str, content: Content, specs: Specs) -> tuple[Status, tuple[str, ...]]:
    try:
        return "copied", tuple(_write(work, lfn, content, specs).storages)
    except (DoubtfulError, _IncompleteError):
        raise
    except GridError:
        # Two that write the same file at once are both right: one of them has registered it.
        with suppress(GridError):
            is_there = content.md5 and look(work.pool, lfn) == Known(content.size, content.md5)
            if is_there and len(_list_storages(work, lfn)) >= max(specs.wanted, 1):
                return "same", ()
        raise


def _complete(work: Work, lfn: str, content: Content, specs: Specs) -> tuple[Status, tuple[str, ...]]:
    """Write the replicas that are missing of a file that is there, as an earlier run may have failed to."""
    if not specs.wanted or not content.size:
        return "same", ()
    ask = specs.complete(_list_storages(work, lfn))
    return ("copied", tuple(_write(work, lfn, content, parse_specs(ask)).storages)) if ask else ("same", ())


def _is_spoilt(work: Work, lfn: str) -> bool:
    """Whether all replicas are gone, or the server knows that one is not what it should be; JAliEn's does not say."""
    return any(row.get("fault") for row in work.pool.ask("whereis", "-nomsg", lfn).rows) or is_lost(work, lfn)


def _list_storages(work: Work, lfn: str) -> set[str]:
    return {row.get("seName", "").upper() for row in work.pool.ask("whereis", "-nomsg", lfn).rows}


def _write(work: Work, lfn: str, content: Content, specs: Specs) -> _Written:
    """Write and register all replicas; storage that fails is replaced by other storage, twice."""
    written = _Written(wanted=specs.wanted, is_named=specs.wanted > 0)
    if not content.size:  # commit takes no empty file
        content.finish()
        work.pool.ask("touch", "-nomsg", lfn)
        return written
    try:
        _write_all(work, lfn, content, specs, written)
    finally:
        _give_back(work, written.unused)
    return written


def _write_all(work: Work, lfn: str, content: Content, specs: Specs, written: _Written) -> None:
    ask = specs.text
    for left in reversed(range(TRIES)):
        replicas = _ask_again(work, lfn, content, ask, specs, written)
        written.wanted = written.wanted or len(replicas)
        _write_replicas(work, lfn, content, replicas, written)
        missing = written.wanted - len(written.storages)
        if missing <= 0:
            return
        ask = specs.replace(missing, written.tried, work.options.strict_specs)
        if not left or not ask or not work.options.recover:
            break
    raise _tell(written)


def _give_back(work: Work, envelopes: list[str]) -> None:
    """Leave to write that was not used counts for the user's quota until it ends, unless it is given back.

    JAliEn has no such command, and says so.
    """
    if envelopes:
        with suppress(GridError):
            work.pool.run("release", "-nomsg", *envelopes)


def _ask_again(work: Work, lfn: str, content: Content, ask: str, specs: Specs, written: _Written) -> list[Replica]:
    """Where to write. If there is no other storage than what has failed, that has another chance."""
    try:
        return _ask_access(work, lfn, content, ask)
    except GridError as exc:
        if not written.tried:
            raise
        if written.failure is None or exc.exit_code not in NO_STORAGE:
            raise _tell(written) from exc
    missing = written.wanted - len(written.storages)
    try:
        return _ask_access(work, lfn, content, specs.replace(missing, (), False))
    except GridError as exc:
        raise _tell(written) from exc


def _tell(written: _Written) -> GridError:
    """Why not all replicas could be written."""
    failure = written.failure or GridError(errno.ENOSPC, "the server has no more storage for it")
    if not written.storages:
        return failure
    advice = "" if written.is_named else f"; the same with @disk:{written.wanted} makes what is missing"
    done = f"{len(written.storages)} of {written.wanted} replicas: "
    return _IncompleteError(failure.exit_code, f"{done}{failure}{advice}")


def _ask_access(work: Work, lfn: str, content: Content, specs: str) -> list[Replica]:
    work.check()
    hint = ("-m", content.md5) if content.md5 else ()
    words = [*hint, "write", lfn, *([specs] if specs else [])]
    reply = work.pool.run("access", "-nomsg", "-s", str(content.size), *words)
    if reply.code:
        raise GridError(reply.code, f"{lfn}: no leave to write it: {reply.error}")
    return parse_replicas(reply.rows, lfn)


def _write_replicas(work: Work, lfn: str, content: Content, replicas: list[Replica], written: _Written) -> None:
    """Copy, verify and register; what fails is noted."""
    written.unused += [replica.envelope for replica in replicas]
    with work.slots:
        work.check()
        endings = _move(work, content, [replica.address for replica in replicas])
    work.check()
    # The storages read the files while what is left of this machine's is.
    asked = [_ask_stored(work, replica, ended, content) for replica, ended in zip(replicas, endings, strict=True)]
    content.finish()
    for replica, stored in zip(replicas, asked, strict=True):
        written.tried.append(replica.storage)
        failure = _accept(work, lfn, content, replica, stored)
        if failure is None:
            written.storages.append(replica.storage)
            written.unused.remove(replica.envelope)
        else:
            written.failure = GridError(failure.exit_code, f"{replica.storage or replica.url}: {failure}")


def _move(work: Work, content: Content, addresses: list[str]) -> list[Ended]:
    """Have the bytes at the storages; how that ended, for each."""
    if content.data is not None and is_simple(work.options):
        endings = write_within_limit(addresses, content.data, work.options)
        work.gauge.moved += content.size
        return endings
    content.begin()
    return copy_within_limit(content.address, addresses, work.options, work.watch())


def _accept(
    work: Work, lfn: str, content: Content, replica: Replica, stored: Told | GridError | None
) -> GridError | None:
    """Verify a replica and register it; why it is of no use, if it is of none.

    Raises:
        GridError: it could not be registered.
    """
    if isinstance(stored, GridError):
        return stored
    if stored is not None:
        try:
            check_stored(stored, content)
        except GridError as exc:
            return exc
    _register(work, lfn, content, replica)
    return check_registered(work, lfn, replica, content) if stored is None else None


def _ask_stored(work: Work, replica: Replica, ended: Ended, content: Content) -> Told | GridError | None:
    """What the storage holds now, or why it holds nothing."""
    if ended.code:
        return GridError(ended.code, ended.message)
    try:
        return ask_stored(work, replica, content)
    except GridError as exc:
        return exc


def _register(work: Work, lfn: str, content: Content, replica: Replica) -> None:
    """Have the server know of a replica; where its answer was lost, what it knows is looked up."""
    words = [
        replica.envelope, str(content.size), lfn, "644", "0", replica.url, replica.storage, replica.guid, content.md5,
    ]  # fmt: skip
    for is_last in (False, True):
        try:
            reply = work.pool.run("commit", "-nomsg", *words)
        except GridError as exc:
            if is_last or exc.exit_code != ENOTCONN:
                raise
            is_there = look(work.pool, lfn) == Known(content.size, content.md5)
            if is_there and replica.storage.upper() in _list_storages(work, lfn):  # and not another replica alone
                return
            continue
        if reply.code:
            raise GridError(reply.code, f"{lfn} was stored, and not registered: {reply.error}")
        return check_committed(reply.rows, lfn, replica.storage)


def _exchange(work: Work, temporary: str, lfn: str) -> None:
    """Put the new file in the old one's place; see :func:`put`."""
    old = name_replaced(lfn)
    move(work.pool.run, lfn, old)
    try:
        move(work.pool.run, temporary, lfn)
    except BaseException:
        move(work.pool.run, old, lfn)
        raise
    with suppress(GridError):  # the next run tries again
        work.pool.run("rm", "-nomsg", "-f", old)
