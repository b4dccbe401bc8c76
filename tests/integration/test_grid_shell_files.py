"""Commands of the grid's shell that fetch and store files, with a real xrootd; and its reports, beside alien.py's."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from support import TIME_SCALE, World, wait_for

pytestmark = pytest.mark.peer("xrootd")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid with storage, and a file on it."""
    folder = tmp_path_factory.mktemp("grid")
    for place in (folder, *folder.parents[:3]):
        os.chmod(place, 0o755)
    mapping = ["--run-as", "root"] if os.geteuid() == 0 else []
    server = GridServer(folder, "--with-storage", str(folder / "storage"), *mapping)
    try:
        user = server.add_user("tester", "jobs")
        server.start()
        (user.home / "text").write_bytes(b"one\ntwo\nno end")
        (user.home / "script").write_text("#!/bin/sh\necho $1; exit 3\n")
        for name in ("text", "script"):
            done = user.alien("cp", f"file:{user.home}/{name}", f"alien:{name}")
            assert done.returncode == 0, done.stdout + done.stderr
        yield user
    finally:
        server.stop()


def test_cat_is_byte_for_byte(user: GridUser) -> None:
    assert user.run("cat", "text").stdout == b"one\ntwo\nno end"
    assert user.run("cat text | sort -r").stdout == b"two\none\nno end\n"
    failed = user.run("cat nosuch | cat")
    assert (failed.returncode, failed.stdout) == (2, b"")
    assert os.listdir(user.home / "tmp") == [name for name in os.listdir(user.home / "tmp") if "token" in name]


@pytest.mark.parametrize(
    ("words", "code", "lines"),
    [
        (("o", "text"), 0, "one|two|no end"),
        (("-n", "ON", "text"), 1, ""),
        (("-in", "ON", "text"), 0, "1:one"),
        (("one", "text", "script"), 0, "text:one"),
        (("-hs", "-e", "one", "-e", "echo", "text", "script"), 0, "one|echo $1; exit 3"),
        (("-vc", "one", "text"), 0, "2"),
        (("-l", "-m1", "o", "script", "text"), 0, "script|text"),
        (("-A", "1", "one", "text"), 0, "one|two"),
        (("--", "-e", "text"), 1, ""),
        (("-r", "x", "text"), 22, ""),
        (("-m",), 22, ""),
        (("x",), 22, ""),
        (("[", "text"), 22, ""),
        (("x", "nosuch"), 2, ""),
    ],
)
def test_grep(user: GridUser, words: tuple[str, ...], code: int, lines: str) -> None:
    done = user.run("grep", *words)
    assert (done.returncode, done.stdout.decode().splitlines()) == (code, lines.split("|") if lines else []), (
        done.stderr
    )
    assert bool(done.stderr) == bool(code)


def test_help_of_grep_wherever_it_is_asked_for(user: GridUser) -> None:
    for words in (("-h",), ("x", "text", "-h"), ("-i", "--help")):
        done = user.run("grep", *words)
        assert (done.returncode, done.stdout.startswith(b"grep [-ivn")) == (0, True)


def test_programs_of_this_machine_on_files_of_the_grid(user: GridUser) -> None:
    assert user.run("run wc -l text").stdout.split()[0] == b"2"
    assert user.run("run cat alien:text alien:script -").stdout.startswith(b"one\ntwo\nno end#!")
    assert user.run("more text").returncode == 0
    executed = user.run("exec script word")
    assert (executed.returncode, executed.stdout) == (3, b"word\n")
    assert user.run("run nosuchprogram text").returncode == 2


def editor(user: GridUser, text: str) -> dict[str, str]:
    path = user.home / "editor"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {"EDITOR": str(path)}


def test_editing_keeps_the_original(user: GridUser) -> None:
    (user.home / "draft").write_text("first\n")
    assert user.alien("cp", f"file:{user.home}/draft", "alien:draft").returncode == 0
    assert user.run("edit", "draft", environment=editor(user, "true")).stdout == b""  # nothing has changed
    assert user.run("ls draft~").returncode == 2
    done = user.run("edit", "draft", environment=editor(user, 'echo second >> "$1"'))
    assert done.returncode == 0, done.stderr
    assert user.run("cat", "draft").stdout == b"first\nsecond\n"
    assert user.run("cat", "draft~").stdout == b"first\n"
    assert user.run("edit", "draft", environment=editor(user, "exit 4")).returncode == 4
    assert b"draft" not in user.run("ls", "-a").stdout.replace(b"draft\n", b"", 1).replace(b"draft~\n", b"", 1)


def test_an_edit_that_cannot_be_stored_loses_neither_the_old_nor_the_new(user: GridUser, tmp_path: Path) -> None:
    done = user.run("edit", "text@NoSuch::Storage::SE", environment=editor(user, 'echo kept > "$1"'))
    assert done.returncode > 0
    assert user.run("cat", "text").stdout == b"one\ntwo\nno end"
    kept = done.stderr.decode().strip().rpartition("is kept in ")[2]
    assert Path(kept).read_text() == "kept\n"


def test_a_signal_ends_it_with_nothing_left_but_what_was_edited(user: GridUser, tmp_path: Path) -> None:
    before = set(os.listdir(user.home / "tmp"))
    waits = f"touch {tmp_path}/up; exec sleep 60"
    for words, environment in (
        (("run", f"sh -c '{waits}'", "text"), {}),
        (("edit", "text"), editor(user, f'echo mine > "$1"; {waits}')),
    ):
        world = World(user.home, {**user.variables, **environment})
        process = world.start("grid", *words)
        wait_for((tmp_path / "up").exists, "the program on the file")
        (tmp_path / "up").unlink()
        process.terminate()
        _, said = process.communicate(timeout=20 * TIME_SCALE)
        assert process.returncode == -signal.SIGTERM
        left = set(os.listdir(user.home / "tmp")) - before
        assert len(left) == words[0].count("edit"), left
    kept = said.decode().strip().rpartition("is kept in ")[2]
    assert Path(kept).read_text() == "mine\n"
    assert user.run("cat", "text").stdout == b"one\ntwo\nno end"


@pytest.mark.parametrize("line", ["quota", "getSE", "whereis text", "pfn text", "ps", "stat text", "SEqos ::"])
def test_reports_are_those_of_alien_py(user: GridUser, line: str) -> None:
    ours, theirs = user.run(line), user.alien(line)
    assert ours.returncode == theirs.returncode
    assert ours.stdout.decode().strip() == theirs.stdout.decode().strip()


def test_a_jdl_of_this_machine_is_submitted(user: GridUser, tmp_path: Path) -> None:
    (tmp_path / "my.jdl").write_text('Executable = "/grid/user/t/tester/script";\nTTL = "60";\n')
    done = user.run("submit", f"file:{tmp_path}/my.jdl")
    assert b"job ID is" in done.stdout, done.stderr
    number = done.stdout.split()[-1].decode()
    assert number in user.run("jobInfo", number).stdout.decode()
    wait_for(lambda: b" EE " in user.run("ps -a").stdout, "the job's end: its script exits with 3", 60)
    ours, theirs = user.run("ps -a"), user.alien("ps -a")
    assert ours.stdout.strip() == theirs.stdout.strip()
    assert number.encode() in ours.stdout
    assert user.run("siteJobs", "local", "-id", "-user", "test").stdout.decode().split() == [number]
    assert number in user.run("siteJobs", "local", "-status", "error").stdout.decode()
    assert number not in user.run("siteJobs", "local", "-running").stdout.decode()
    assert user.run("jobInfo", number, "-nosuch").returncode == 22
    assert user.run("submit", "file:/nowhere").returncode == 2
