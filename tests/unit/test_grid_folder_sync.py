"""Many names in a folder cost few syncs, and nobody goes on before his own is on disk."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headless.grid.copy import folder_sync
from headless.grid.copy.folder_sync import FolderSync
from support import TIME_SCALE

FOREVER_S = 3600.0


def test_one_alone_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_sync, "GATHER_S", FOREVER_S)
    synced = count_syncs(monkeypatch)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    FolderSync(lambda: 1).sync(descriptor)
    os.close(descriptor)
    assert len(synced) == 1


def test_nobody_is_waited_for_once_all_have_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_sync, "GATHER_S", FOREVER_S)
    synced = count_syncs(monkeypatch)
    folders, descriptor = FolderSync(lambda: 4), os.open(tmp_path, os.O_RDONLY)
    run_all(lambda _: folders.sync(descriptor), 4)
    os.close(descriptor)
    assert len(synced) == 1


def test_a_failure_is_told_to_all_it_was_for_though_the_next_fsync_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system tells of pages that it has lost once, and then no more."""
    monkeypatch.setattr(folder_sync, "GATHER_S", FOREVER_S)
    told: list[int] = []

    def fsync(_: int) -> None:
        told.append(1)
        if len(told) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    folders, failed, descriptor = FolderSync(lambda: 4), [], os.open(tmp_path, os.O_RDONLY)

    def put(number: int) -> None:
        try:
            folders.sync(descriptor)
        except OSError as exc:
            failed.append((number, exc.errno))

    run_all(put, 4)
    assert sorted(failed) == [(number, 5) for number in range(4)]
    os.close(descriptor)


def test_each_name_is_there_before_the_sync_that_its_caller_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, rounds = 16, 10
    seen: set[str] = set()
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        names = os.listdir(descriptor)
        seen.update(names)
        synced.append(len(names))

    monkeypatch.setattr(os, "fsync", fsync)
    folders, missed = FolderSync(lambda: threads), []

    def put(number: int) -> None:
        for round_ in range(rounds):
            name = f"{number}-{round_}"
            (tmp_path / name).touch()
            descriptor = os.open(tmp_path, os.O_RDONLY)
            folders.sync(descriptor)
            os.close(descriptor)
            missed.extend([] if name in seen else [name])

    run_all(put, threads)
    assert not missed
    assert 0 < len(synced) < threads * rounds


def test_a_sync_that_fails_fails_for_all_whose_names_are_not_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    folders, failed = FolderSync(lambda: 4), []

    def put(number: int) -> None:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            folders.sync(descriptor)
        except OSError:
            failed.append(number)
        finally:
            os.close(descriptor)

    run_all(put, 4)
    assert sorted(failed) == [0, 1, 2, 3]


def count_syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    return synced


def run_all(function: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=function, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30 * TIME_SCALE)
    assert not any(thread.is_alive() for thread in threads)
