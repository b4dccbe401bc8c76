"""The reporter's spool, and files put in place: what others have put there is not taken for ours."""

import os
from pathlib import Path

import pytest

from headless.inventory import outbox
from headless.inventory.outbox import Outbox
from headless.inventory.writing import replace_file


def test_what_is_no_plain_file_is_passed_over(tmp_path: Path) -> None:
    spool = Outbox(str(tmp_path))
    (tmp_path / "folder.report").mkdir()
    (tmp_path / "link.report").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.report")
    (tmp_path / "empty.report").touch()
    assert len(spool.names()) == 4
    for name in spool.names():
        with pytest.raises(ValueError, match="no report"):
            spool.read(name)
    assert spool.read("gone.report") is None


def test_what_is_set_aside_is_not_sent_and_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "REFUSED_LIMIT", 2)
    spool = Outbox(str(tmp_path))
    for number in range(4):
        spool.put(b"%d" % number)
    aside = [spool.set_aside(name) for name in spool.names()]
    assert spool.names() == []
    assert sorted(os.listdir(tmp_path)) == aside[2:]
    assert (tmp_path / aside[3]).read_bytes() == b"3"


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
