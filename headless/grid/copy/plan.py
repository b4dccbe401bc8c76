"""From what was typed to transfers, one after the other, as they are wanted."""

import errno
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from headless.grid.copy.filters import Filters, is_hidden
from headless.grid.copy.folders import TargetFolders
from headless.grid.copy.lost import Lost
from headless.grid.copy.naming import name_below, name_file
from headless.grid.copy.places import Place
from headless.grid.copy.pool import SessionPool
from headless.grid.copy.values import Known, Status, Transfer, TransferResult
from headless.grid.copy.walk_grid import look_at_grid, match_grid, walk_grid
from headless.grid.copy.walk_local import match_local, walk_local
from headless.grid.copy.words import CopyWords
from headless.grid.errnos import ENOMSG
from headless.grid.messages import GridError

__all__ = ["Plan"]

Item = Transfer | TransferResult


class Plan:
    """Makes transfers; two of them never have one target."""

    def __init__(self, pool: SessionPool, words: CopyWords) -> None:
        self._pool = pool
        self._words = words
        self._folders = TargetFolders(pool, is_dry=words.is_dry)
        self._targets: set[int] = set()

    def copy_all(self, sources: Sequence[Place], target: Place) -> Iterator[Item]:
        """Of ``cp SOURCE... TARGET``.

        Raises:
            GridError: the sources cannot be had, or the target is of no use; before the first transfer.
        """
        for source in sources:
            self._check_sides(source, target)
        into_folder = target.is_folder or len(sources) > 1 or any(source.is_pattern for source in sources)
        kind = self._look(target)
        if kind == "f" and (into_folder or self._words.parents or self._words.prefix is not None):
            raise GridError(errno.ENOTDIR, f"{target} is a file, and not a folder to copy into")
        target = replace(target, is_folder=into_folder or kind == "d")
        items = (item for source in sources for item in self._copy(source, target, kind))
        # Paths below one folder differ, and so do their targets: a million of them need not be remembered.
        yield from items if len(sources) == 1 and not sources[0].is_pattern else self._guard(items)

    def copy_below(self, sources: Sequence[Place], folder: Place) -> Iterator[Item]:
        """Of ``cp -dst FOLDER SOURCE...``: the sources keep their paths below the folder they have in common."""
        common = posixpath.commonpath([posixpath.dirname(source.path) for source in sources])
        for source in sources:
            self._check_sides(source, folder)
        if self._look(folder) == "f":
            raise GridError(errno.ENOTDIR, f"{folder} is a file, and not a folder to copy into")

        def copy() -> Iterator[Item]:
            for source in sources:
                inner = posixpath.relpath(posixpath.dirname(source.path), common)
                target = replace(folder, path=posixpath.normpath(posixpath.join(folder.path, inner)), is_folder=True)
                yield from self._copy(source, target, "")

        yield from self._guard(copy())

    def copy_pairs(self, pairs: Iterable[tuple[Place, Place]]) -> Iterator[Item]:
        """Of ``cp -input FILE``; a pair that fails does not end the others."""

        def copy() -> Iterator[Item]:
            for source, target in pairs:
                try:
                    yield from self._inner(source, target)
                except GridError as exc:
                    yield self._fail(source, target, exc)

        yield from self._guard(copy())

    def _inner(self, source: Place, target: Place) -> Iterator[Item]:
        self._check_sides(source, target)
        kind = "d" if target.is_folder else self._look(target)
        yield from self._copy(source, replace(target, is_folder=target.is_folder or kind == "d"), kind)

    def _check_sides(self, source: Place, target: Place) -> None:
        if source.is_local and target.is_local:
            raise GridError(errno.EINVAL, f"{source} and {target} are both of this machine: use the system's cp")

    def _look(self, place: Place) -> str:
        if place.is_local:
            return "d" if os.path.isdir(place.path) else "f" if os.path.lexists(place.path) else ""
        return look_at_grid(self._pool, place.path)[0]

    def _copy(self, source: Place, target: Place, kind: str) -> Iterator[Item]:
        if not source.is_pattern or self._exists_as_it_is(source):
            yield from self._copy_one(source, target, kind)
            return
        found = match_local(source.path) if source.is_local else match_grid(self._pool, source.path)
        if not found:
            raise GridError(errno.ENOENT, f"nothing matches {source}")
        for path in found:
            yield from self._copy_one(replace(source, path=path), target, kind)

    def _exists_as_it_is(self, source: Place) -> bool:
        return source.is_local and os.path.lexists(source.path)

    def _copy_one(self, source: Place, target: Place, kind: str) -> Iterator[Item]:
        words = self._words
        if source.is_local:
            is_folder, known = os.path.isdir(source.path), None
        else:
            what, found = look_at_grid(self._pool, source.path)
            if not what:
                raise GridError(errno.ENOENT, f"{source}: no such file or folder")
            is_folder, known = what == "d", Known(found.size, found.md5) if found else None
        if is_folder:
            if kind == "f":
                raise GridError(errno.ENOTDIR, f"{target} is a file, and {source} is a folder")
            yield from self._copy_folder(source, target)
        elif source.is_folder:
            raise GridError(errno.ENOTDIR, f"{source} has a slash at its end, and is no folder")
        else:
            into = target.is_folder or bool(words.parents) or words.prefix is not None
            below = name_file(source.path, words.parents, words.prefix) if into else ""
            yield self._make(source, source.path, target, below, known)

    def _copy_folder(self, source: Place, target: Place) -> Iterator[Item]:
        words, filters = self._words, self._words.filters
        base = name_below(source.path, not source.is_folder, words.parents, words.prefix)
        walked = walk_local(source.path) if source.is_local else walk_grid(self._pool, source.path, filters)
        count, hidden, is_empty = 0, 0, True
        for found in walked:
            hidden += filters.is_open and not filters.hidden and is_hidden(found.relative)
            if isinstance(found, Lost):
                if not found.relative or filters.takes_name(found.path, found.relative):
                    is_empty = is_empty and found.is_skipped and not filters.is_open  # which is told then
                    yield self._lose(found, source, target)
            elif filters.take(found):
                count += 1
                if filters.limit is not None and count > filters.offset + filters.limit:
                    return
                if count > filters.offset:
                    is_empty = False
                    known = None if source.is_local else Known(found.size, found.md5)
                    yield self._make(source, found.path, target, posixpath.join(base, found.relative), known)

        if hidden:
            left_out = f"{hidden} hidden {'file is' if hidden == 1 else 'files are'} left out: cp -a copies them too"
            yield self._lose(Lost(source.path, 0, left_out, is_skipped=True), source, target)
        elif is_empty:
            yield self._lose(_tell_nothing(source, filters), source, target)

    def _make(self, source: Place, path: str, target: Place, below: str, known: Known | None) -> Item:
        """The transfer of one file."""
        place = posixpath.join(target.path, below) if below else target.path
        if target.is_local:
            return Transfer(path, place, False, specs=source.specs, source=known, root=_root(target, below))
        is_new = bool(below) and self._folders.is_new(place)
        return Transfer(
            place, path, True, is_within_grid=not source.is_local, specs=target.specs, source=known, is_new=is_new
        )

    def _lose(self, lost: Lost, source: Place, target: Place) -> TransferResult:
        status: Status = "skipped" if lost.is_skipped else "failed"
        lfn, path = ("", lost.path) if source.is_local else (lost.path, "")
        return TransferResult(lfn, path, status, lost.code, lost.error, is_upload=not target.is_local)

    def _fail(self, source: Place, target: Place, error: GridError) -> TransferResult:
        is_upload = not target.is_local
        lfn, path = (target.path, source.path) if is_upload else (source.path, target.path)
        return TransferResult(lfn, path, "failed", error.exit_code, str(error), is_upload=is_upload)

    def _guard(self, items: Iterator[Item]) -> Iterator[Item]:
        """The second of two with one target fails: it would replace the first."""
        for item in items:
            if isinstance(item, Transfer):
                target = hash(item.lfn if item.is_upload else item.path)
                if target in self._targets:
                    words = "another source has this target too: -parent keeps them apart"
                    yield TransferResult(item.lfn, item.path, "failed", errno.EEXIST, words, is_upload=item.is_upload)
                    continue
                self._targets.add(target)
            yield item


def _tell_nothing(source: Place, filters: Filters) -> Lost:
    """A script must know of a pattern that finds nothing; an empty folder is no mistake."""
    if filters.is_open:
        more = "" if filters.hidden or source.is_local else ", but for hidden ones perhaps: cp -a copies them"
        return Lost(source.path, 0, f"there is no file in this folder{more}", is_skipped=True)
    return Lost(source.path, ENOMSG, "none of its files was asked for")


def _root(target: Place, below: str) -> str:
    """Links below the folder that was named are not followed; where a file was named, that is its own folder."""
    return target.path if below else ""
