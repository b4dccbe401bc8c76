"""Which small files go the short way, and what is read of them."""

import errno
import hashlib
import os
import zlib
from pathlib import Path

import pytest

from headless.grid.copy.content import open_content
from headless.grid.copy.small import SMALL, is_simple
from headless.grid.copy.storage import import_client, set_up_client
from headless.grid.copy.values import CopyOptions


def test_what_only_copying_can_do_goes_its_way() -> None:
    set_up_client(CopyOptions())
    assert is_simple(CopyOptions())
    assert not is_simple(CopyOptions(sources=2))
    assert not is_simple(CopyOptions(rate_threshold=1))
    client = import_client()
    client.EnvPutInt("CpUsePgWrtRd", 1)
    try:
        assert not is_simple(CopyOptions())
    finally:
        client.EnvPutInt("CpUsePgWrtRd", 0)


@pytest.mark.parametrize(("size", "is_small"), [(0, True), (SMALL, True), (SMALL + 1, False)])
def test_a_small_file_is_read_once(tmp_path: Path, size: int, is_small: bool) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    with open_content(str(tmp_path / "f")) as content:
        assert content.data == (data if is_small else None)
        for _ in range(2):
            assert content.finish() == hashlib.md5(data).hexdigest()
            assert content.read_sum("adler32") == f"{zlib.adler32(data):08x}"
            content.begin()  # from here on the file itself is copied, and so it is read once more
            assert content.data is None


@pytest.mark.parametrize("is_copied", [False, True], ids=["from memory", "from the file"])
def test_a_small_file_that_has_changed_is_no_content(tmp_path: Path, is_copied: bool) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    with open_content(str(path)) as content:
        if is_copied:
            content.begin()
        path.write_bytes(b"yy")
        with pytest.raises(OSError, match="changed while it was copied") as caught:
            content.finish()
    assert caught.value.errno == errno.EAGAIN
