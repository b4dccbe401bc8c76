"""``cp`` of our client, against a real server with real storage."""

import hashlib
import json
import os
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from headless.grid.copy.storage import read_checksum
from support import TIME_SCALE

pytestmark = pytest.mark.peer("xrootd")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid with two storages."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(2) as server:
        user = server.add_user("tester")
        server.start()
        yield user


@pytest.fixture
def home(user: GridUser, request: pytest.FixtureRequest) -> str:
    """A folder of the grid for one test, with a slash at its end."""
    folder = f"/grid/user/t/tester/{request.node.name.split('[')[0]}"
    assert user.run("mkdir", "-p", folder).returncode == 0
    return folder + "/"


def _copy(user: GridUser, *words: str, code: int = 0) -> str:
    """Run ``cp``; what it says."""
    done = user.run("cp", *words)
    assert done.returncode == code, (done.stdout, done.stderr)
    if not code:
        assert done.stderr == b""
    return (done.stdout + done.stderr).decode()


def _list(user: GridUser, folder: str) -> list[str]:
    return user.run("find", "-a", folder, "*").stdout.decode().split("\n")[:-1]


def test_a_file_goes_up_and_comes_down_whole_and_in_silence(user: GridUser, home: str, tmp_path: Path) -> None:
    data = os.urandom(9_000_000)
    (tmp_path / "up").write_bytes(data)
    assert _copy(user, f"file:{tmp_path}/up", f"alien:{home}new/up") == ""
    assert _copy(user, f"{home}new/up", f"file:{tmp_path}/below/down") == ""
    assert (tmp_path / "below" / "down").read_bytes() == data
    assert user.run("whereis", f"{home}new/up").stdout.count(b"root://") == 2
    assert os.listdir(tmp_path / "below") == ["down"]


def test_the_other_client_reads_what_ours_has_written_and_the_other_way(
    user: GridUser, home: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"ours")
    (tmp_path / "b").write_bytes(b"theirs")
    _copy(user, f"file:{tmp_path}/a", f"{home}a")
    assert user.alien("cp", f"{home}a", f"file:{tmp_path}/a2").returncode == 0
    assert user.alien("cp", f"file:{tmp_path}/b", f"{home}b").returncode == 0
    _copy(user, f"{home}b", f"file:{tmp_path}/b2")
    assert ((tmp_path / "a2").read_bytes(), (tmp_path / "b2").read_bytes()) == (b"ours", b"theirs")


def test_a_folder_goes_under_its_name_and_with_a_slash_its_content_does(
    user: GridUser, home: str, tmp_path: Path
) -> None:
    for name in ("top", "in/one", "in/deep/two"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    _copy(user, f"file:{tmp_path}/tree", f"{home}up")
    assert _list(user, home) == [f"{home}up/tree/{name}" for name in ("in/deep/two", "in/one", "top")]
    _copy(user, f"file:{tmp_path}/tree/", f"{home}content")
    assert len(_list(user, f"{home}content")) == 3
    _copy(user, f"{home}content/", f"file:{tmp_path}/back")
    assert (tmp_path / "back" / "in" / "deep" / "two").read_text() == "in/deep/two"
    _copy(user, f"{home}up/tree/in", f"file:{tmp_path}/named")
    assert (tmp_path / "named" / "in" / "one").read_text() == "in/one"


def test_patterns_several_sources_and_lists(user: GridUser, home: str, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.log"):
        (tmp_path / name).write_text(name)
    _copy(user, f"file:{tmp_path}/*.txt", f"{home}globbed")
    assert _list(user, f"{home}globbed") == [f"{home}globbed/a.txt", f"{home}globbed/b.txt"]
    _copy(user, f"{home}globbed/?.txt", f"file:{tmp_path}/down")
    assert sorted(os.listdir(tmp_path / "down")) == ["a.txt", "b.txt"]
    _copy(user, "-dst", f"{home}several", f"file:{tmp_path}/a.txt", f"file:{tmp_path}/c.log")
    assert _list(user, f"{home}several") == [f"{home}several/a.txt", f"{home}several/c.log"]
    (tmp_path / "pairs").write_text(
        f"# what goes where\nfile:{tmp_path}/a.txt {home}'with blank'\n\nfile:{tmp_path}/c.log {home}c\n"
    )
    _copy(user, "-input", f"{tmp_path}/pairs")
    assert {f"{home}with blank", f"{home}c"} <= set(_list(user, home))


def test_what_differs_is_replaced_only_with_f(user: GridUser, home: str, tmp_path: Path) -> None:
    local = tmp_path / "file"
    local.write_text("first")
    _copy(user, f"file:{local}", f"{home}f")
    assert _copy(user, "-v", f"file:{local}", f"{home}f").startswith("same ")
    local.write_text("second")
    assert "give -f" in _copy(user, f"file:{local}", f"{home}f", code=17)
    assert "give -f" in _copy(user, f"{home}f", f"file:{local}", code=17)
    assert local.read_text() == "second"
    _copy(user, "-f", f"file:{local}", f"{home}f")
    assert _list(user, home) == [f"{home}f"]  # nothing hidden is left
    local.write_text("third")
    _copy(user, "-f", f"{home}f", f"file:{local}")
    assert local.read_text() == "second"


def test_where_replicas_are_is_as_wished(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    _copy(user, f"file:{tmp_path}/f", f"{home}one@disk:1,!LOCAL::SITE::SE1")
    found = user.run("whereis", f"{home}one").stdout.decode()
    assert "LOCAL::SITE::SE2" in found
    assert "LOCAL::SITE::SE1" not in found
    said = _copy(user, "-norecovery", f"file:{tmp_path}/f", f"{home}many@disk:3", code=28)
    assert "2 of 3 replicas" in said


def test_within_the_grid(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"content")
    _copy(user, f"file:{tmp_path}/d/", f"{home}a")
    _copy(user, f"{home}a/", f"{home}b")
    _copy(user, f"{home}b/f", f"file:{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == b"content"


def test_empty_files_and_names_of_all_kinds(user: GridUser, home: str, tmp_path: Path) -> None:
    names = ["empty", "with blank", "-dash", "q?x&y=1#z%20", "semi;colon", "'quote\"", "umlaut-ä-日本"]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_text("" if name == "empty" else name)
    (tmp_path / "in" / "new\nline").write_text("x")
    said = _copy(user, f"file:{tmp_path}/in/", f"{home}out", code=22)
    assert len(said.splitlines()) == 2  # also of a name with a line's end
    _copy(user, f"{home}out/", f"file:{tmp_path}/back")
    assert sorted(os.listdir(tmp_path / "back")) == sorted(names)
    for name in names:
        assert (tmp_path / "back" / name).read_text() == ("" if name == "empty" else name)


def test_a_report_is_taken_up(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "in" / "broken").symlink_to("nowhere")
    report = tmp_path / "report"
    said = _copy(user, "--report", f"{report}", f"file:{tmp_path}/in/", f"{home}r", code=2)
    assert "1 of 4 files failed" in said
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(row["status"] for row in rows) == ["copied", "copied", "copied", "failed"]
    assert all(len(row["md5"]) == 32 and row["storages"] for row in rows if row["status"] == "copied")
    report.write_text(report.read_text() + '{"half a li')
    (tmp_path / "in" / "broken").unlink()
    (tmp_path / "in" / "broken").write_text("mended")
    (tmp_path / "in" / "b").write_text("changed since")
    assert user.run("rm", f"{home}r/c").returncode == 0
    words = ("-f", "--resume", str(report), "--report", str(report))
    assert _copy(user, *words, f"file:{tmp_path}/in/", f"{home}r") == ""
    rows = [json.loads(line) for line in report.read_text().splitlines() if not line.startswith('{"half')]
    assert {row["path"][-1]: row["status"] for row in rows[4:]} == {
        "a": "skipped", "b": "copied", "c": "copied", "n": "copied",
    }  # fmt: skip


def test_what_is_no_report_is_not_taken_for_one(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text('["of something else"]\n' * 100)
    said = _copy(user, "--resume", f"{tmp_path}/f", f"file:{tmp_path}/f", f"{home}f", code=22)
    assert "is no report: give a file that cp --report has written" in said
    (tmp_path / "empty").touch()  # of a run that was killed before its first file
    _copy(user, "--resume", f"{tmp_path}/empty", f"file:{tmp_path}/f", f"{home}f")


def test_what_is_no_file_is_told_and_loops_end(user: GridUser, home: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "file").write_text("x")
    (folder / "link").symlink_to("file")
    (folder / "loop").symlink_to(".")
    os.mkfifo(folder / "pipe")
    done = user.run("cp", f"file:{folder}/", f"{home}k")
    assert done.returncode == 0
    assert b"pipe: passed over" in done.stderr
    assert b"loop: passed over" in done.stderr
    assert _list(user, f"{home}k") == [f"{home}k/file", f"{home}k/link"]
    assert "no file but a device" in _copy(user, f"file:{folder}/pipe", f"{home}p", code=22)


def test_what_matches_nothing_is_told_and_so_is_an_empty_folder(user: GridUser, home: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    done = user.run("cp", f"file:{folder}/", f"{home}k")
    assert (done.returncode, b"there is no file in this folder" in done.stderr) == (0, True)
    (folder / "a.txt").write_text("x")
    (folder / "dangling.root").symlink_to("nowhere")
    assert "none of" in _copy(user, "-glob", "*.log", f"file:{folder}/", f"{home}k", code=42)
    _copy(user, "-glob", "*.txt", f"file:{folder}/", f"{home}k")  # whatever else there is
    assert "No such file" in _copy(user, "-glob", "*.root", f"file:{folder}/", f"{home}k", code=2)
    assert "none of" in _copy(user, "-select", "log$", f"{home}k/", f"file:{tmp_path}/out", code=42)


def test_hidden_files_that_are_left_out_are_counted(user: GridUser, home: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / ".cache").mkdir(parents=True)
    for name in (".x", ".cache/y"):
        (folder / name).write_text("x")
    only = user.run("cp", f"file:{folder}/", f"{home}k")
    assert (only.returncode, only.stderr.decode()) == (
        0, f"{folder}: 2 hidden files are left out: cp -a copies them too\n",
    )  # fmt: skip
    (folder / "seen").write_text("x")
    mixed = user.run("cp", f"file:{folder}/", f"{home}k")
    assert (mixed.returncode, mixed.stderr) == (0, only.stderr)
    assert user.run("cp", "-dryrun", f"file:{folder}/", f"{home}k").stderr == only.stderr
    assert _list(user, f"{home}k") == [f"{home}k/seen"]
    _copy(user, "-glob", "s*", f"file:{folder}/", f"{home}l")  # who chooses needs no word of the others
    _copy(user, "-a", f"file:{folder}/", f"{home}m")
    assert len(_list(user, f"{home}m")) == 3
    hidden = user.run("cp", f"{home}m/.cache/", f"file:{tmp_path}/out/")
    assert hidden.returncode == 0
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "pipe")
    pipes = user.run("cp", f"file:{tmp_path}/pipes/", f"{home}p")
    assert (pipes.returncode, pipes.stderr.decode().count("\n"), b"passed over" in pipes.stderr) == (0, 1, True)


def test_a_file_that_went_to_other_storage_than_was_named_is_told(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    data = user.server.storages / "SE2" / "data"
    folders = [data, *(path for path in data.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        done = user.run("cp", f"file:{tmp_path}/f", f"{home}f@LOCAL::SITE::SE2")
        assert (done.returncode, done.stderr.decode()) == (
            0, "1 file is at LOCAL::SITE::SE1 instead of LOCAL::SITE::SE2, which failed: -strictspec forbids that\n",
        )  # fmt: skip
        _copy(user, "-strictspec", f"file:{tmp_path}/f", f"{home}g@LOCAL::SITE::SE2", code=13)
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_nothing_is_written_through_links_that_lead_out(user: GridUser, home: str, tmp_path: Path) -> None:
    for name in ("sub/f", "g"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from the grid")
    _copy(user, f"file:{tmp_path}/in/", f"{home}l")
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "sub").symlink_to(elsewhere)
    (out / "g").symlink_to(elsewhere / "victim")
    said = _copy(user, "-f", f"{home}l/", f"file:{out}", code=40)
    assert "is no folder but a link" in said
    assert os.listdir(elsewhere) == []
    assert (out / "g").read_text() == "from the grid"
    assert not (out / "g").is_symlink()


def test_two_sources_never_share_a_target(user: GridUser, home: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text(name)
    said = _copy(user, f"file:{tmp_path}/a/same", f"file:{tmp_path}/b/same", f"{home}s/", code=17)
    assert "another source has this target" in said
    _copy(user, "-parent", "1", f"file:{tmp_path}/a/same", f"file:{tmp_path}/b/same", f"{home}t/")
    assert _list(user, f"{home}t") == [f"{home}t/a/same", f"{home}t/b/same"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-nosuch", "a", "file:b"), 22, "unknown option -nosuch"),
        (("a",), 22, "give a source and a target"),
        (("-T", "many", "a", "file:b"), 22, "cp -T"),
        (("file:/tmp/a", "file:/tmp/b"), 22, "both of this machine"),
        (("/no/such", "file:/tmp/x"), 2, "no such file"),
        (("file:/no/such", "x"), 2, "No such file"),
        (("-select", "(", "a/", "file:/tmp/x"), 22, "no regular expression"),
        (("file:/etc/hostname", "alien:four@disk:x"), 22, "'@disk:x' names no storage"),
        (("file:/etc/hostname", "five@A::B"), 22, "'@A::B' names no storage"),
        (("--resume", "/dev/null"), 22, "give a source and a target; with --resume the same as in the first run"),
    ],
)
def test_what_cannot_be_is_one_clear_line(user: GridUser, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in _copy(user, *words, code=code)


def test_a_dry_run_copies_nothing(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    assert _copy(user, "-dryrun", f"file:{tmp_path}/f", f"{home}f") == f"{tmp_path}/f -> {home}f\n"
    assert _list(user, home) == []


def test_results_as_json(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    done = user.run("--jsonl", "cp", f"file:{tmp_path}/f", f"{home}f")
    assert json.loads(done.stdout)["status"] == "copied"


def test_what_a_killed_run_has_put_aside_comes_back_if_nothing_is_in_its_place(
    user: GridUser, home: str, tmp_path: Path
) -> None:
    """As after a kill between the moves of a replacement: the old file hidden, the new one too, none in the place."""
    for name in ("old", "new", "other"):
        (tmp_path / name).write_bytes(name.encode())
    mark = f"{zlib.crc32(socket.gethostname().encode()):08x}-999999999-1700000000-0badcafe"
    _copy(user, f"file:{tmp_path}/old", f"{home}.lost.{mark}.headless-old")
    _copy(user, f"file:{tmp_path}/old", f"{home}.safe.{mark}.headless-old")
    _copy(user, f"file:{tmp_path}/new", f"{home}safe")
    _copy(user, f"file:{tmp_path}/new", f"{home}.lost.{mark}.headless-part")
    assert _copy(user, f"{home}", f"file:{tmp_path}/before/") == ""
    assert os.listdir(tmp_path / "before") == ["safe"]
    _copy(user, "-f", f"file:{tmp_path}/other", f"{home}other")
    assert _list(user, home) == [f"{home}lost", f"{home}other", f"{home}safe"]
    _copy(user, f"{home}", f"file:{tmp_path}/after/")
    assert [(tmp_path / "after" / name).read_bytes() for name in ("lost", "other", "safe")] == [
        b"old",
        b"other",
        b"new",
    ]


def test_a_very_long_name_is_replaced_too(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"two")
    lfn = home + "n" * 240
    _copy(user, f"file:{tmp_path}/one", lfn)
    _copy(user, "-f", f"file:{tmp_path}/two", lfn)
    _copy(user, lfn, f"file:{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == b"two"
    assert _list(user, home) == [lfn]


def test_the_storage_is_asked_for_the_checksum(user: GridUser, home: str, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(b"content")
    row = json.loads(user.run("--json", "access", "-s", "7", "write", f"{home}up", "disk:1").stdout)["results"][0]
    url = f"{row['url']}?authz={row['envelope']}"
    subprocess.run(["xrdcp", "--silent", str(tmp_path / "up"), url], check=True, timeout=60 * TIME_SCALE)
    assert read_checksum(url, 30) == ("md5", hashlib.md5(b"content").hexdigest())


def test_a_file_that_says_nothing_of_its_size_is_not_taken_for_an_empty_one(user: GridUser, home: str) -> None:
    assert "has content and no size" in _copy(user, "file:/proc/version", f"{home}version", code=22)
    assert _list(user, home) == []


def test_fewer_storages_than_wished_for_are_a_failure_that_says_how_many(
    user: GridUser, home: str, tmp_path: Path
) -> None:
    (tmp_path / "up").write_bytes(b"content")
    assert "2 of 5 replicas: the server has no more storage" in _copy(
        user, f"file:{tmp_path}/up", f"{home}up@disk:5", code=28
    )
