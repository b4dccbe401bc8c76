"""A job's output on disk: its head and tail are kept, the middle is counted, and it is never a reason to fail."""

import os
import random
import threading
from pathlib import Path

import pytest

from headless.execution.files import SPARE_ROOM
from headless.execution.spool import Spool, read_spool


def _read_all(path: Path, offset: int = 0, size: int = 7) -> list[tuple[int, bytes]]:
    """All pieces from an offset on, those that follow each other without a gap joined."""
    pieces: list[tuple[int, bytes]] = []
    while True:
        offset, data = read_spool(str(path), offset, size)
        if not data:
            return pieces
        if pieces and pieces[-1][0] + len(pieces[-1][1]) == offset:
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + data)
        else:
            pieces.append((offset, data))
        offset += len(data)


def _count_kept(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        ([], []),
        ([b""], []),
        ([b"0123456789"], [(0, b"0123456789")]),
        ([b"01234", b"56789"], [(0, b"0123456789")]),
        ([b"0123456789", b"a"], [(0, b"01234"), (6, b"6789a")]),
        ([b"0123456789abc"], [(0, b"01234"), (8, b"89abc")]),
        ([b"x" * 100, b"12345"], [(0, b"xxxxx"), (100, b"12345")]),
        ([b"x"] * 90 + [b"0123456789"], [(0, b"xxxxx"), (95, b"56789")]),
    ],
)
def test_head_and_tail_are_kept_and_the_middle_is_counted(
    tmp_path: Path, pieces: list[bytes], kept: list[tuple[int, bytes]]
) -> None:
    spool = Spool(str(tmp_path / "spool"), 10)
    for piece in pieces:
        spool.write(piece)
        assert _count_kept(tmp_path / "spool") <= 10
    spool.close()
    assert _read_all(tmp_path / "spool", size=100) == _read_all(tmp_path / "spool", size=1) == kept
    size = sum(map(len, pieces))
    assert (spool.size, spool.error) == (size, "")
    assert spool.dropped == size - sum(len(data) for _, data in kept)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 16, 17, 100, 1000])
def test_whatever_is_written_the_limit_holds_and_what_is_read_is_what_was_written(tmp_path: Path, limit: int) -> None:
    chance = random.Random(limit)
    whole = chance.randbytes(5000)
    path = tmp_path / "spool"
    spool, written = Spool(str(path), limit), 0
    while written < len(whole):
        piece = whole[written : written + chance.choice((1, 3, 50, 700))]
        spool.write(piece)
        written += len(piece)
        assert _count_kept(path) <= limit
    pieces = _read_all(path)
    assert all(whole[offset : offset + len(data)] == data for offset, data in pieces)
    assert spool.dropped == len(whole) - sum(len(data) for _, data in pieces)
    if limit >= 16:
        assert (pieces[0][0], len(pieces[0][1])) == (0, limit - limit // 2)
        offset, data = pieces[-1]
        assert offset + len(data) == len(whole) and len(data) >= limit // 2 * 3 // 4


def test_reading_from_the_end_counts_from_the_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    assert read_spool(str(path), -5, 10) == (0, b"")
    spool = Spool(str(path), 20)
    spool.write(b"abc")
    assert read_spool(str(path), -2, 10) == (1, b"bc")
    assert read_spool(str(path), -9, 10) == (0, b"abc")
    spool.write(b"-" * 95 + b"yz")
    assert b"".join(data for _, data in _read_all(path, -2)) == b"yz"
    offset, data = read_spool(str(path), -50, 10)  # the middle: what is left of the tail is given
    assert 90 <= offset < 98 and data
    assert read_spool(str(path), 200, 10) == (200, b"")


def test_a_reader_beside_the_writer_gets_only_what_was_written_where_it_was(tmp_path: Path) -> None:
    """Each byte says its own offset; the tail is small, so that segments go while they are read."""
    path, size = tmp_path / "spool", 1 << 21
    whole = bytes((offset * 7 + (offset >> 8)) & 255 for offset in range(size))
    spool = Spool(str(path), 4096)

    def write() -> None:
        for start in range(0, size, 777):
            spool.write(whole[start : start + 777])

    writer = threading.Thread(target=write)
    writer.start()
    offset, wrong, gaps = 0, 0, 0
    while writer.is_alive() or offset < size:
        found, data = read_spool(str(path), offset, 300)
        wrong += found < offset or whole[found : found + len(data)] != data
        gaps += found > offset
        offset = found + len(data)
    writer.join()
    assert (wrong, offset) == (0, size) and gaps


def test_one_listing_that_misses_a_segment_skips_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing a folder is not atomic: a segment that is begun meanwhile may be missing while the next one is there."""
    path = tmp_path / "spool"
    spool = Spool(str(path), 160)
    spool.write(b"x" * 105)
    listings = [sorted(os.listdir(tmp_path))] * 3
    assert listings[0] == ["spool", "spool.100", "spool.80", "spool.90"]
    listings[0] = ["spool", "spool.100"]
    monkeypatch.setattr(os, "listdir", lambda folder: listings.pop(0))
    assert read_spool(str(path), 80, 99) == (80, b"x" * 10)


def test_the_files_are_their_owners_alone_and_none_is_made_for_nothing(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"), 10)
    assert os.listdir(tmp_path) == []
    spool.write(b"0123456789")
    spool.close()
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("before", [2, 210], ids=["head", "tail"])
def test_a_full_disk_is_told_and_after_room_is_made_it_goes_on(tmp_path: Path, before: int) -> None:
    spool = Spool(str(tmp_path / "spool"), 400)
    spool.write(b"x" * before)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, spool._descriptor)
    os.close(full)
    spool.write(b"lost")
    assert spool.error == "No space left on device"
    assert (spool.size, spool.dropped) == (before + 4, 4)
    spool.write(b"back")
    spool.close()
    assert spool.dropped == 4
    assert _read_all(tmp_path / "spool") == [(0, b"x" * before), (before + 4, b"back")]


def test_a_head_that_cannot_be_made_does_not_keep_the_tail_away(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.mkdir()
    spool = Spool(str(path), 400)
    spool.write(b"lost")
    path.rmdir()
    spool.write(b"kept")
    assert (spool.error, spool.dropped) == ("File exists", 4)
    assert _read_all(path) == [(4, b"kept")]


def test_the_last_room_of_a_disk_is_not_the_outputs(tmp_path: Path) -> None:
    """How the job ended must find some, and so must the journal."""
    spool = Spool(str(tmp_path / "stdout"), 1000)
    spool.write(b"kept")
    with pytest.MonkeyPatch.context() as patch:  # no disk can be had that has just so much
        patch.setattr("headless.execution.spool.count_room", lambda _: SPARE_ROOM)
        spool.write(b" and lost")
    spool.close()
    assert (spool.size, spool.dropped) == (13, 9)
    assert spool.error == "No space left on device"
    assert (tmp_path / "stdout").read_bytes() == b"kept"
