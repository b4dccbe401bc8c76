"""The reporter's spool, and files put in place: what others have put there is not taken for ours."""

import os
from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory import outbox
from headless.inventory.outbox import Outbox, open_outbox
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
    aside = [os.path.basename(spool.set_aside(name, "why")) for name in spool.names()]
    assert spool.names() == []
    assert sorted(os.listdir(tmp_path)) == sorted([*aside[2:], *(name + ".reason" for name in aside[2:])])
    assert (tmp_path / aside[3]).read_bytes() == b"3"


def test_what_fails_again_and_again_is_tried_later_and_later(tmp_path: Path) -> None:
    spool = Outbox(str(tmp_path))
    name, _ = spool.put(b"1")
    assert [spool.put_off(name) for _ in range(12)] == [300.0 * 2**step for step in range(9)] + [86400.0] * 3
    assert spool.find_due() == [] and spool.names() == [name]
    for odd in ("", "x", "1 x", "-1 nan", "1 1e300", "1 2 3", "\0" * 9):
        (tmp_path / f"{name}.later").write_text(odd)
        assert spool.find_due() == [name]  # a note that says nothing holds nothing up


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


def test_what_one_that_was_killed_has_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f"file.{os.getpid()}.new").write_bytes(b"hal")
    replace_file(str(tmp_path / "file"), b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_bytes() == b"whole"


def test_nobodys_spool_is_one_that_root_has_made_or_the_old_one_if_it_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").write_text("no folder: nothing can be made in it")
    new, old = tmp_path / "root" / "spool", tmp_path / "old"
    monkeypatch.setattr(outbox, "NOBODYS_SPOOL", str(new))
    monkeypatch.setattr(outbox, "OLD_NOBODYS_SPOOL", str(old))
    with pytest.raises(ParameterError, match=f"root makes it: install -d -m 0700 -o nobody {new}"):
        open_outbox(str(new))
    old.mkdir(0o700)
    open_outbox(str(new)).put(b"first")
    assert len(list(old.glob("*.report"))) == 1
    old.chmod(0o777)
    with pytest.raises(ParameterError):
        open_outbox(str(new))  # whoever likes puts something there
    old.chmod(0o700)
    (tmp_path / "root").unlink()
    new.mkdir(0o700, parents=True)
    made = open_outbox(str(new))
    assert [made.read(name) for name in made.names()] == [b"first"] and not list(old.glob("*.report"))
