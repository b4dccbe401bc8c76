"""The reporter's spool, and files put in place: what others have put there is not taken for ours."""

import os
from pathlib import Path

import pytest

from headless.inventory.outbox import Outbox
from headless.inventory.writing import replace_file


def test_what_is_no_plain_file_is_passed_over(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    (tmp_path / "folder.report").mkdir()
    (tmp_path / "link.report").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.report")
    assert [outbox.read(name) for name in outbox.names()] == [None, None, None]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/etc/passwd", path)])
def test_a_time_to_wait_for_is_read_from_a_plain_file_only(tmp_path: Path, make: object) -> None:
    make(tmp_path / ".retry-at")  # type: ignore[operator]  # one of two
    assert Outbox(str(tmp_path)).wait_s == 0


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("before, and longer")
    (tmp_path / "link").symlink_to("real")
    replace_file(str(tmp_path / "link"), b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "after"
