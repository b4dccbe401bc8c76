"""Many names in a folder cost few syncs, and nobody goes on before his own is on disk."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headless.grid.copy.folder_sync import FolderSync


def test_one_alone_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("nobody else is there to be waited for"))
    synced = count_syncs(monkeypatch)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    FolderSync(lambda: 1).sync(descriptor)
    os.close(descriptor)
    assert len(synced) == 1


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
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
