"""The module tidy: what it deletes, what it never touches, and what it says."""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from jobs import tidy

NOW = 1_700_000_000.0
DAY = 86400


def put(path: Path, age_days: float = 10, now: float | None = None) -> Path:
    """Make a file of one byte, and the folders above it, last modified so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    age(path, age_days, now)
    return path


def age(path: Path, age_days: float, now: float | None = None) -> None:
    """Set when a file or folder was last modified."""
    moment = (time.time() if now is None else now) - age_days * DAY
    os.utime(path, (moment, moment))


def left(folder: Path) -> list[str]:
    """What is in a folder and below, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run_at_now(kind: type[tidy.Tidy], folder: Path, **options: object) -> tidy.Tidy:
    """Run with the clock at NOW and files older than 3 days due."""
    given = {
        "days": 3.0,
        "pattern": ["*"],
        "keep_newest": 0,
        "remove_empty_folders": False,
        "cross_filesystems": False,
        "dry_run": False,
        "verbose": False,
    }
    run = kind(argparse.Namespace(**{**given, **options}), NOW)
    descriptor = tidy.open_folder(str(folder))
    try:
        run.tidy(descriptor, str(folder))
    finally:
        os.close(descriptor)
    return run


@pytest.mark.parametrize(
    ("age_days", "days", "stays"),
    [
        (3.001, 3.0, False),
        (3.0, 3.0, True),
        (2.999, 3.0, True),
        (0.6, 0.5, False),
        (0.4, 0.5, True),
        (-1, 0.0, True),  # from the future
    ],
)
def test_a_file_is_due_when_it_is_older_than_the_days(
    tmp_path: Path, age_days: float, days: float, stays: bool
) -> None:
    file = put(tmp_path / "file", age_days, NOW)
    run = run_at_now(tidy.Tidy, tmp_path, days=days)
    assert file.exists() is stays
    assert run.counts["deleted"] == (not stays)


def test_old_files_go_at_every_depth_and_young_ones_and_folders_stay(tmp_path: Path) -> None:
    put(tmp_path / "old")
    put(tmp_path / ".hidden")
    put(tmp_path / "a/b/old")
    put(tmp_path / "a/b/young", 1)
    assert tidy.main([str(tmp_path), "--days", "3"]) == 0
    assert left(tmp_path) == ["a", "a/b", "a/b/young"]


def test_nothing_is_printed_when_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "old")
    assert tidy.main([str(tmp_path), "--days", "3"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_second_run_finds_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "a/old")
    arguments = [str(tmp_path), "--days", "3", "-v"]
    assert tidy.main(arguments) == 0
    capsys.readouterr()
    assert tidy.main(arguments) == 0
    assert capsys.readouterr() == ("", "")


def test_a_dry_run_names_what_a_real_run_deletes_and_deletes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "a/old")
    put(tmp_path / "old")
    put(tmp_path / "kept/young", 1)
    for name in ("a", "kept"):
        age(tmp_path / name, 10)
    before = left(tmp_path)
    arguments = [str(tmp_path), "--days", "3", "--remove-empty-folders"]
    assert tidy.main([*arguments, "--dry-run"]) == 0
    would = capsys.readouterr().out.replace("would be deleted: ", "")
    assert left(tmp_path) == before
    assert tidy.main([*arguments, "-v"]) == 0
    assert capsys.readouterr().out.replace("deleted: ", "") == would
    assert would.splitlines() == [f"{tmp_path}/{name}" for name in ("a/old", "a", "old")]
    assert left(tmp_path) == ["kept", "kept/young"]


def test_links_sockets_and_pipes_stay_and_no_link_is_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "to_file").symlink_to(outside)
    (folder / "to_folder").symlink_to(outside.parent)
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    for name in os.listdir(folder):
        os.utime(folder / name, (0, 0), follow_symlinks=False)
    before = left(folder)
    assert tidy.main([str(folder), "--days", "3", "--remove-empty-folders"]) == 0
    assert left(folder) == before
    assert outside.exists()


def test_a_folder_that_becomes_a_link_while_tidy_runs_leads_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = put(tmp_path / "outside/precious", now=NOW)

    class Swapped(tidy.Tidy):
        def _tidy_below(self, parent: int, name: str, seen: os.stat_result, path: str, depth: int) -> int:
            os.rename(path, f"{path}.moved")
            os.symlink(outside.parent, path)
            return super()._tidy_below(parent, name, seen, path, depth)

    put(tmp_path / "folder/below/old", now=NOW)
    run = run_at_now(Swapped, tmp_path / "folder")
    assert outside.exists()
    assert run.counts["failed"] == 1
    assert f"tidy: {tmp_path}/folder/below: " in capsys.readouterr().err


def test_a_folder_that_is_replaced_while_tidy_runs_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Swapped(tidy.Tidy):
        def _tidy_below(self, parent: int, name: str, seen: os.stat_result, path: str, depth: int) -> int:
            os.rename(path, f"{path}.moved")
            put(Path(path, "of_another"), now=NOW)
            return super()._tidy_below(parent, name, seen, path, depth)

    put(tmp_path / "below/old", now=NOW)
    run_at_now(Swapped, tmp_path)
    assert (tmp_path / "below/of_another").exists()
    assert "replaced while it was looked at" in capsys.readouterr().err


def test_a_link_put_above_an_open_folder_does_not_redirect_a_deletion(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/old", now=NOW)

    class Swapped(tidy.Tidy):
        def _remove(self, *arguments: Any) -> int:
            os.rename(tmp_path / "folder/below", tmp_path / "moved")
            os.symlink(outside.parent, tmp_path / "folder/below")
            return super()._remove(*arguments)

    put(tmp_path / "folder/below/old", now=NOW)
    run = run_at_now(Swapped, tmp_path / "folder")
    assert run.counts["deleted"] == 1
    assert outside.exists()
    assert left(tmp_path / "moved") == []


def test_another_file_system_is_not_entered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Mounted(tidy.Tidy):
        def _tidy_below(self, parent: int, name: str, seen: os.stat_result, path: str, depth: int) -> int:
            elsewhere = os.stat_result((*seen[:2], seen.st_dev + 1, *seen[3:10]))
            return super()._tidy_below(parent, name, elsewhere, path, depth)

    put(tmp_path / "mount/old", now=NOW)
    run = run_at_now(Mounted, tmp_path, remove_empty_folders=True)
    assert left(tmp_path) == ["mount", "mount/old"]
    assert run.counts["failed"] == 0
    assert capsys.readouterr().err == ""


def test_what_cannot_be_deleted_is_a_line_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str, *, dir_fd: int) -> None:
        if name == "b":
            raise PermissionError(1, "Operation not permitted")
        os.unlink(name, dir_fd=dir_fd)

    class Refused(tidy.Tidy):
        def _remove(self, *arguments: Any) -> int:
            return super()._remove(arguments[0], refuse, *arguments[2:])

    for name in "abc":
        put(tmp_path / name, now=NOW)
    run = run_at_now(Refused, tmp_path)
    assert left(tmp_path) == ["b"]
    assert run.counts == {"deleted": 2, "bytes": 2, "folders_removed": 0, "failed": 1}
    assert capsys.readouterr().err == f"tidy: {tmp_path}/b: Operation not permitted\n"


def test_what_went_by_itself_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Overtaken(tidy.Tidy):
        def _remove(self, *arguments: Any) -> int:
            os.unlink(arguments[4])
            return super()._remove(*arguments)

    put(tmp_path / "old", now=NOW)
    run = run_at_now(Overtaken, tmp_path)
    assert run.counts == {"deleted": 0, "bytes": 0, "folders_removed": 0, "failed": 0}
    assert capsys.readouterr().err == ""


def test_a_tree_without_end_is_left_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path.joinpath("a", *["d"] * tidy.DEPTH_LIMIT, "old"))
    put(tmp_path.joinpath("a", *["d"] * (tidy.DEPTH_LIMIT - 1), "old"))
    put(tmp_path / "b")
    assert tidy.main([str(tmp_path), "--days", "3"]) == 1
    assert [path for path in left(tmp_path) if Path(path).name != "d"] == [
        "a",
        "/".join(["a", *["d"] * tidy.DEPTH_LIMIT, "old"]),
    ]
    assert "more than 200 folders deep" in capsys.readouterr().err


def test_patterns_choose_files_by_their_name(tmp_path: Path) -> None:
    for name in ("a.log", "b.tmp", "c.txt", "below/d.log", "LOG/e.txt"):
        put(tmp_path / name)
    assert tidy.main([str(tmp_path), "--days", "3", "--pattern", "*.log", "--pattern", "b.*"]) == 0
    assert left(tmp_path) == ["LOG", "LOG/e.txt", "below", "c.txt"]


def test_the_newest_files_of_each_folder_stay_however_old(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for days in (10, 20, 30, 40):
            put(tmp_path / folder / f"{days}.dump", days)
    put(tmp_path / "a/young.txt", 1)  # not of the pattern: does not count as one of the newest
    arguments = [str(tmp_path), "--days", "15", "--keep-newest", "2", "--pattern", "*.dump"]
    assert tidy.main(arguments) == 0
    expected = ["a", "a/10.dump", "a/20.dump", "a/young.txt", "b", "b/10.dump", "b/20.dump"]
    assert left(tmp_path) == expected


def test_empty_folders_go_only_on_request_and_when_they_are_old(tmp_path: Path) -> None:
    put(tmp_path / "emptied/below/old")
    put(tmp_path / "kept/young", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "just_made").mkdir()
    for name in ("emptied/below", "emptied", "kept", "empty"):
        age(tmp_path / name, 10)
    age(tmp_path, 10)
    assert tidy.main([str(tmp_path), "--days", "3", "--dry-run"]) == 0
    assert tidy.main([str(tmp_path), "--days", "3", "--remove-empty-folders"]) == 0
    assert left(tmp_path) == ["just_made", "kept", "kept/young"]


def test_the_folder_itself_is_never_deleted(tmp_path: Path) -> None:
    age(tmp_path, 10)
    assert tidy.main([str(tmp_path), "--days", "3", "--remove-empty-folders"]) == 0
    assert tmp_path.is_dir()


@pytest.mark.parametrize("folder", ["/", "//", "/etc", "/usr/", "~", "/etc/../"])
def test_a_home_and_the_folders_of_the_system_are_refused(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tidy.main([os.path.expanduser(folder), "--days", "99999", "--dry-run"]) == 2
    assert "a home or a folder of the system" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        ("file", "Not a directory"),
        ("link", "a link, name the folder that it leads to"),
        ("link/", "a link, name the folder that it leads to"),
    ],
)
def test_a_folder_that_cannot_be_tidied_is_one_line_and_status_2(
    tmp_path: Path, name: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "file")
    old = put(tmp_path / "folder/old")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert tidy.main([f"{tmp_path}/{name}", "--days", "3"]) == 2
    assert capsys.readouterr() == ("", f"tidy: {tmp_path}/{name.rstrip('/')}: {reason}\n")
    assert old.exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--days", "-1"],
        ["--days", "nan"],
        ["--days", "inf"],
        ["--days", "soon"],
        ["--days", "3", "--keep-newest", "-1"],
        ["--days", "3", "--keep-newest", "1.5"],
        ["--days", "3", "another"],
    ],
)
def test_bad_options_are_status_2_and_delete_nothing(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(tmp_path / "old")
    with pytest.raises(SystemExit) as ended:
        tidy.main([str(tmp_path), *options])
    assert ended.value.code == 2
    assert "tidy: error: " in capsys.readouterr().err
    assert old.exists()


def test_a_name_of_any_bytes_is_deleted_and_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsencode(tmp_path) + b"/two\nlines \xff"
    with open(name, "wb"):
        os.utime(name, (0, 0))
    assert tidy.main([str(tmp_path), "--days", "3", "-v"]) == 0
    assert left(tmp_path) == []
    assert capsys.readouterr().out == f"deleted: '{tmp_path}/two\\nlines \\udcff'\n"


def test_the_counts_are_handed_over_as_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "old")
    put(tmp_path / "below/old")
    reader, writer = os.pipe()
    monkeypatch.setenv("HEADLESS_REPORT_FD", str(writer))
    try:
        assert tidy.main([str(tmp_path), "--days", "3"]) == 0
        reports = [json.loads(line) for line in os.read(reader, 1 << 16).splitlines()]
    finally:
        os.close(reader)
        os.close(writer)
    counts = {"deleted": 2, "bytes": 2, "folders_removed": 0, "failed": 0}
    assert reports[-1] == {"result": {"folder": str(tmp_path), "dry_run": False, **counts}}
    assert {"progress": [2.0, 2.0]} in reports


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    put(tmp_path / "a/b/old")
    before = os.listdir("/dev/fd")
    assert tidy.main([str(tmp_path), "--days", "3"]) == 0
    after = os.listdir("/dev/fd")
    assert len(after) == len(before)
