"""Mirroring a folder to or from the grid: what differs is copied, and what is too much removed, if that is asked for.

Both sides are listed first. Nothing is ever removed after a listing or a copy that has failed, nor because the source
is empty all of a sudden, nor what is there again when its turn comes.
"""

import os
import posixpath
import re
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from headless.grid.copy.copier import Copier
from headless.grid.copy.filters import Filters, Found
from headless.grid.copy.hashing import hash_file
from headless.grid.copy.lost import Lost
from headless.grid.copy.places import WILD
from headless.grid.copy.pool import SessionPool
from headless.grid.copy.report import Report, Resume
from headless.grid.copy.upload import look
from headless.grid.copy.values import CopyOptions, Known, Transfer, TransferResult
from headless.grid.copy.walk_grid import look_at_grid, walk_grid
from headless.grid.copy.walk_local import walk_local
from headless.grid.errnos import EINVAL, EIO, ENOENT, ENOTDIR
from headless.grid.messages import GridError
from headless.grid.session import GridSession

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["Mirror", "mirror"]

ALL = Filters(hidden=True)

_Side = dict[str, bytes]
"""Size and md5 of each file of a side, by its path below the folder; a million of them must not need gigabytes."""

_PACKED = struct.Struct("<q16s")
_NO_MD5 = bytes(16)


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """What is to be made alike.

    Attributes:
        folder: of this machine, absolute.
        lfn: of the folder on the grid, absolute.
        is_upload: whether the grid's side is the one that is changed.
        delete: whether what the source has not is removed from the target.
        takes_empty: whether all of the target may be removed because the source is empty.
        is_dry: whether to say only what would be done.
        exclude: what matches, or lies below a folder that does, is left alone on both sides.
        specs: storage for uploads.
        report: path of a report, which an earlier run may have begun; empty for none.
        parallel: files copied at a time.
    """

    folder: str
    lfn: str
    is_upload: bool
    delete: bool = False
    takes_empty: bool = False
    is_dry: bool = False
    exclude: tuple["re.Pattern[str]", ...] = ()
    specs: str = ""
    report: str = ""
    parallel: int = 8


def mirror(
    session: GridSession,
    asked: Mirror,
    say: Callable[[str], None],
    complain: Callable[[str], None],
    progress: Callable[[float, float], None],
) -> "Counter[str]":
    """Make the target like the source.

    Args:
        session: nothing else may use it meanwhile.
        asked: what, and how.
        say: takes a line for each thing that is, or would be, done.
        complain: takes a line for each that failed.
        progress: takes files done, and all.

    Returns:
        The counts of files ``copied``, ``same``, ``deleted``, ``skipped``, ``failed``, and of ``bytes`` copied.

    Raises:
        GridError: a side cannot be listed, or the source is of no use: nothing was done.
        ParameterError: XRootD is not installed.
    """
    with closing(Copier(session, CopyOptions(force=True, parallel=asked.parallel))) as copier:
        run = _Run(copier, asked, say, complain)
        run.list_sides()
        run.copy(progress)
        if asked.delete:
            run.delete()
        return run.counts


class _Run:
    def __init__(
        self, copier: Copier, asked: Mirror, say: Callable[[str], None], complain: Callable[[str], None]
    ) -> None:
        self.counts = Counter(copied=0, same=0, deleted=0, skipped=0, failed=0, bytes=0)
        self._copier = copier
        self._asked = asked
        self._say = say
        self._complain = complain
        self._local: _Side = {}
        self._remote: _Side = {}

    @property
    def _source(self) -> _Side:
        return self._local if self._asked.is_upload else self._remote

    @property
    def _target(self) -> _Side:
        return self._remote if self._asked.is_upload else self._local

    def list_sides(self) -> None:
        """List both; a target that is not there is empty.

        Raises:
            GridError: one cannot be listed whole.
        """
        asked = self._asked
        is_new = not asked.is_upload and not os.path.lexists(asked.folder)
        if is_new and not asked.is_dry:
            os.makedirs(asked.folder, exist_ok=True)
        if not (is_new or os.path.isdir(asked.folder)):
            raise GridError(ENOTDIR, f"{asked.folder} is no folder")
        self._local = {} if is_new else self._list(walk_local(asked.folder))
        kind, _ = look_at_grid(self._copier.pool, asked.lfn)
        if kind == "f" or (not kind and not asked.is_upload):
            raise GridError(ENOTDIR if kind else ENOENT, f"{asked.lfn} is no folder of the grid")
        self._remote = self._list(walk_grid(self._copier.pool, asked.lfn, ALL)) if kind else {}

    def _list(self, walked: Iterator[Found | Lost]) -> _Side:
        found: _Side = {}
        for item in walked:
            if isinstance(item, Found):
                if not self._is_excluded(item.relative):
                    found[item.relative] = _PACKED.pack(item.size, bytes.fromhex(item.md5))
            elif item.is_skipped:
                self.counts["skipped"] += 1
            else:
                raise GridError(item.code or EIO, f"{item.path}: {item.error}: nothing is done")
        return found

    def _is_excluded(self, relative: str) -> bool:
        names = relative.split("/")
        above = ["/".join(names[: count + 1]) for count in range(len(names))]
        return any(pattern.search(path) for pattern in self._asked.exclude for path in above)

    def copy(self, progress: Callable[[float, float], None]) -> None:
        """Copy what differs."""
        if self._asked.is_dry:
            self._tell_copies()
            return
        items: Iterator[Transfer | TransferResult] = map(self._make, self._source)
        with ExitStack() as stack:
            report = None
            if self._asked.report:
                if os.path.exists(self._asked.report):
                    items = Resume(self._asked.report).leave_out(items, self._look)
                report = stack.enter_context(closing(Report(self._asked.report, goes_on=True)))
            results = stack.enter_context(closing(self._copier.run(items)))
            for done, result in enumerate(results, 1):
                if report is not None:
                    report.add(result)
                self._count(result)
                progress(done, len(self._source))

    def _make(self, relative: str) -> Transfer:
        asked, path, lfn = self._asked, self._name_local(relative), self._name_remote(relative)
        if asked.is_upload:
            return Transfer(lfn, path, True, specs=asked.specs, is_new=relative not in self._remote)
        return Transfer(lfn, path, False, source=_unpack(self._remote[relative]), root=asked.folder)

    def _name_local(self, relative: str) -> str:
        return os.path.join(self._asked.folder, relative)

    def _name_remote(self, relative: str) -> str:
        return posixpath.join(self._asked.lfn, relative)

    def _look(self, lfn: str) -> Known | None:
        return look(self._copier.pool, lfn)

    def _count(self, result: TransferResult) -> None:
        name = result.path if self._asked.is_upload else result.lfn
        kind = "same" if result.status == "skipped" else result.status
        self.counts[kind] += 1
        if result.status == "copied":
            self.counts["bytes"] += result.size
            self._say(f"copied: {name}")
        elif result.status == "failed":
            self._complain(f"{name}: {result.error}")

    def _tell_copies(self) -> None:
        name = self._name_local if self._asked.is_upload else self._name_remote
        for relative, packed in self._source.items():
            size, other = _unpack(packed).size, self._target.get(relative)
            if other is not None and _unpack(other).size == size and self._has_same_content(relative):
                self.counts["same"] += 1
                continue
            self.counts["copied"] += 1
            self.counts["bytes"] += size
            self._say(f"would be copied: {name(relative)}")

    def _has_same_content(self, relative: str) -> bool:
        with open(self._name_local(relative), "rb") as file:
            return hash_file(file.fileno()) == _unpack(self._remote[relative]).md5

    def delete(self) -> None:
        """Remove from the target what the source has not."""
        surplus = [relative for relative in self._target if relative not in self._source]
        if not surplus:
            return
        if self.counts["failed"]:
            self._complain(f"nothing is deleted: {self.counts['failed']} files were not copied")
            return
        if not self._source and not self._asked.takes_empty:
            self.counts["failed"] += 1
            self._complain(f"nothing is deleted: the source is empty, and the target has {len(surplus)} files")
            return
        name = self._name_remote if self._asked.is_upload else self._name_local
        for relative in surplus:
            try:
                self._delete_one(relative, name(relative))
            except (GridError, OSError) as exc:
                self.counts["failed"] += 1
                self._complain(f"{name(relative)}: {exc}")

    def _delete_one(self, relative: str, path: str) -> None:
        if self._is_there_again(relative):
            return
        if not self._asked.is_dry:
            if self._asked.is_upload:
                self._remove_remote(path)
            else:
                os.unlink(path)
        self.counts["deleted"] += 1
        self._say(f"{'would be deleted' if self._asked.is_dry else 'deleted'}: {path}")

    def _is_there_again(self, relative: str) -> bool:
        if self._asked.is_upload:
            path = self._name_local(relative)
            return os.path.lexists(path) and not os.path.isdir(path)
        return look_at_grid(self._copier.pool, self._name_remote(relative))[0] == "f"

    def _remove_remote(self, lfn: str) -> None:
        if WILD.search(lfn):
            raise GridError(EINVAL, "not deleted: the server takes its name for a pattern, and would remove others too")
        pool: SessionPool = self._copier.pool
        pool.ask("rm", "-nomsg", lfn)


def _unpack(packed: bytes) -> Known:
    size, md5 = _PACKED.unpack(packed)
    return Known(size, "" if md5 == _NO_MD5 else md5.hex())
