"""Checksums that are computed beside the copying."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from headless.grid.copy.hashing import Hashing
from support import TIME_SCALE


def test_what_nobody_waits_for_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def read(_: int, count: int, __: int) -> bytes:
        begun.set()
        return bytes(count)

    monkeypatch.setattr(os, "pread", read)
    hasher = Hashing(0)
    hasher.allow(1 << 60)
    assert begun.wait(10 * TIME_SCALE)
    ending = threading.Thread(target=hasher.stop, daemon=True)
    ending.start()
    ending.join(10 * TIME_SCALE)
    assert not ending.is_alive()


def test_all_that_there_is_counts(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "f").write_bytes(data)
    with (tmp_path / "f").open("rb") as file:
        hasher = Hashing(file.fileno(), ("adler32",))
        hasher.allow(1000)
        assert hasher.finish(len(data)) == hashlib.md5(data).hexdigest()
        hasher.stop()
        assert hasher.sums.read()["md5"] == hashlib.md5(data).hexdigest()
