"""A job's output on disk: kept up to the limit, counted beyond it, and never a reason to fail."""

import os
from pathlib import Path

import pytest

from headless.execution.spool import Spool


@pytest.mark.parametrize(
    ("pieces", "kept", "dropped"),
    [
        ([], b"", 0),
        ([b""], b"", 0),
        ([b"1234567890"], b"1234567890", 0),
        ([b"1234567890", b"x"], b"1234567890", 1),
        ([b"12345", b"67890abc"], b"1234567890", 3),
        ([b"x" * 100], b"x" * 10, 90),
        ([b"123456789", b"0abc", b"d", b"efg"], b"1234567890", 7),
    ],
)
def test_bytes_are_kept_up_to_the_limit_and_counted_beyond_it(
    tmp_path: Path, pieces: list[bytes], kept: bytes, dropped: int
) -> None:
    spool = Spool(str(tmp_path / "spool"), 10)
    for piece in pieces:
        spool.write(piece)
    spool.close()
    assert (tmp_path / "spool").read_bytes() == kept
    assert (spool.size, spool.dropped, spool.error) == (len(kept), dropped, "")


def test_the_file_is_its_owners_alone_and_must_be_new(tmp_path: Path) -> None:
    Spool(str(tmp_path / "spool"), 10).close()
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        Spool(str(tmp_path / "spool"), 10)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_remembered_and_the_rest_is_counted(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"), 1000)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, spool._descriptor)
    os.close(full)
    spool.write(b"12345")
    spool.write(b"678")
    assert (spool.size, spool.dropped, spool.error) == (0, 8, "No space left on device")
    spool.close()
