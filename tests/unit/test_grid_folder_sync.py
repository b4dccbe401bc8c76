"""Many names in a folder cost one sync, and nobody is told of a file before its name is on disk."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from headless.grid.copy import copier
from headless.grid.copy.copier import Copier
from headless.grid.copy.folder_sync import FolderSync
from headless.grid.copy.values import CopyOptions, Transfer, TransferResult
from headless.grid.copy.work import Work
from support import TIME_SCALE

FILES = 200


def put(folders: FolderSync, path: Path) -> None:
    """Make a file, and note it."""
    path.touch()
    descriptor = os.open(path.parent, os.O_RDONLY)
    folders.note(str(path), descriptor)
    os.close(descriptor)


@contextmanager
def watch_syncs(monkeypatch: pytest.MonkeyPatch, errors: Iterator[OSError | None]) -> Iterator[list[set[str]]]:
    """The names in each folder that is synced meanwhile; a folder's sync fails with the next error, if it is one."""
    seen: list[set[str]] = []

    def fsync(descriptor: int) -> None:
        seen.append(set(os.listdir(descriptor)))
        if error := next(errors):
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield seen


def always(error: OSError | None) -> Iterator[OSError | None]:
    while True:
        yield error


def test_one_sync_of_each_folder_is_for_all_that_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.listdir("/proc/self/fd")
    folders = FolderSync()
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        for number in range(3):
            put(folders, folder / str(number))
    with watch_syncs(monkeypatch, always(None)) as seen:
        folders.sync()
        folders.sync()
    assert seen == [{"0", "1", "2"}] * 2
    assert os.listdir("/proc/self/fd") == before


def test_after_an_error_no_sync_of_the_folder_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system tells of pages that it has lost once, and then no more."""
    folders = FolderSync()
    first, later, elsewhere = tmp_path / "a" / "first", tmp_path / "a" / "later", tmp_path / "b" / "elsewhere"
    for path in (first, elsewhere):
        path.parent.mkdir()
    with watch_syncs(monkeypatch, iter([OSError(errno.EIO, "Input/output error"), None, None])) as seen:
        put(folders, first)
        folders.sync()
        put(folders, later)
        put(folders, elsewhere)
        folders.sync()
    assert len(seen) == 3
    errors = [folders.take_error(str(path)) for path in (first, later, elsewhere)]
    assert [error and error.errno for error in errors] == [errno.EIO, errno.EIO, None]
    assert folders.take_error(str(first)) is None


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Iterator[TransferResult]]:
    """Copies files into a folder, by many threads; the grid and its files are made up, the threads are not."""

    def copy_one(work: Work, transfer: Transfer) -> TransferResult:
        put(work.folders, Path(transfer.path))
        return TransferResult(transfer.lfn, transfer.path, "copied", size=1)

    def copy(folder: Path) -> Iterator[TransferResult]:
        names = [str(folder / str(number)) for number in range(FILES)]
        work = Work(None, CopyOptions(), threading.BoundedSemaphore(8))  # type: ignore[arg-type]  # no server is asked
        running = Copier.__new__(Copier)
        running.gauge, running._work, running._most = work.gauge, work, 16
        return running.run(Transfer(name, name, False) for name in names)

    monkeypatch.setattr(copier, "copy_one", copy_one)
    return copy


def test_a_file_is_told_of_when_its_name_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: Callable[[Path], Iterator[TransferResult]]
) -> None:
    with watch_syncs(monkeypatch, always(None)) as seen:
        for count, result in enumerate(copies(tmp_path), 1):
            assert result.status == "copied"
            assert any(os.path.basename(result.path) in names for names in seen), count
    assert count == FILES


def test_a_file_whose_name_is_not_on_disk_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: Callable[[Path], Iterator[TransferResult]]
) -> None:
    with watch_syncs(monkeypatch, always(OSError(errno.EIO, "Input/output error"))):
        results = list(copies(tmp_path))
    assert len(results) == FILES
    assert {(result.status, result.code, result.size) for result in results} == {("failed", errno.EIO, 0)}
    assert results[0].error == f"{tmp_path} cannot be synced: Input/output error"


def test_what_was_put_while_nobody_listened_is_synced_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: Callable[[Path], Iterator[TransferResult]]
) -> None:
    with watch_syncs(monkeypatch, always(None)) as seen:
        results = copies(tmp_path)
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert set(os.listdir(tmp_path)) == seen[-1]


def test_many_may_note_at_a_time(tmp_path: Path) -> None:
    folders = FolderSync()
    with ThreadPoolExecutor(8) as pool:
        noting = [pool.submit(put, folders, tmp_path / str(number)) for number in range(FILES)]
        while not all(note.done() for note in noting):
            folders.sync()
        for note in noting:
            note.result(10 * TIME_SCALE)
    folders.sync()
    assert all(folders.take_error(str(tmp_path / str(number))) is None for number in range(FILES))
