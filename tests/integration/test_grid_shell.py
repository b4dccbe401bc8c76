"""The grid's shell as scripts use it, beside the real alien.py, at one real server."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from support import HEADLESS, TIME_SCALE

HOME = "/grid/user/t/tester/"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a running grid, with some files: two empty ones and one with blanks in its name."""
    with GridServer(tmp_path_factory.mktemp("grid")) as server:
        user = server.add_user("tester")
        server.start()
        assert user.run("mkdir -p data/deep; touch data/a data/b 'data/c d'; touch data/deep/e").returncode == 0
        yield user


def texts(done: "subprocess.CompletedProcess[bytes]") -> tuple[int, str, str]:
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    "line",
    [
        "pwd",
        "whoami",
        "ls",
        "ls data",
        "ls -l data",
        "ls -a data",
        "ls -c data",
        "ll data",
        "la data",
        "lla data",
        "stat data/a",
        "stat data",
        "type data/a",
        "home",
        "find data *",
        "find -a -s data *",
        "whereis data/a",
        "cd data; pwd; ls",
        "cd data; cd -; pwd",
        "cd data/deep; cd ..; ls",
        "pushd data; pwd; popd; pwd",
        "ls data | wc -l",
        "find ~/data *",
    ],
)
def test_scripts_read_the_same_from_both(user: GridUser, line: str) -> None:
    ours, theirs = user.run(line), user.alien(line)
    assert texts(ours)[2] == ""
    assert [row.rstrip() for row in ours.stdout.decode().strip().splitlines()] == [
        row.rstrip() for row in theirs.stdout.decode().strip().splitlines()
    ]
    assert ours.stdout.strip()
    assert ours.returncode == theirs.returncode == 0


@pytest.mark.parametrize("line", ["ls nosuch", "stat nosuch", "cd nosuch", "rm nosuch", "rmdir data", "mkdir data"])
def test_failures_have_the_same_code_and_words(user: GridUser, line: str) -> None:
    ours, theirs = user.run(line), user.alien(line)
    assert ours.returncode == theirs.returncode > 0
    assert texts(ours)[1] == ""
    assert texts(ours)[2].strip() == texts(theirs)[2].strip()


@pytest.mark.parametrize(
    ("line", "code", "output"),
    [
        ("ls nosuch; pwd", 2, HOME),  # alien.py says 0
        ("pwd; ls nosuch", 2, HOME),
        ("!exit 3", 3, ""),
        ("!echo 'a;b'; pwd", 0, f"a;b\n{HOME}"),
        ("pwd | sed 's;/grid;;'", 0, HOME.removeprefix("/grid")),
        ("pwd | exit 7", 7, ""),
        ("ls nosuch | cat; pwd", 2, HOME),
        ("ls nosuch | echo not run", 2, ""),
        ("exit 5; pwd", 5, ""),
        ("ls nosuch; exit", 2, ""),
        ("ls nosuch; exitcode", 2, "2"),
        ("exit 0 done", 0, "done"),
        ("quit 258", 2, ""),
        ("", 0, ""),
        ("cd ~/data; cd; pwd", 0, HOME),
        ("cd data; pwd; cd -; pwd; cd -; pwd", 0, f"{HOME}data/\n{HOME}\n{HOME}data/"),
        ("cd -", 22, ""),
        ("pushd data; pushd deep; dirs; popd +1; dirs", 0, None),
        ("popd", 22, ""),
        ("ls %ALIEN/data/deep", 0, "e"),
        ("ls alien:data/deep", 0, "e"),
        ("rm 'unclosed", 22, ""),
    ],
)
def test_a_line(user: GridUser, line: str, code: int, output: str | None) -> None:
    done = user.run(line)
    assert done.returncode == code
    if output is not None:
        assert done.stdout.decode().strip() == output.strip()


def test_the_stack_of_directories(user: GridUser) -> None:
    done = user.run("pushd data; pushd deep; dirs; dirs +1; pushd; popd +1; popd; dirs -c; dirs")
    home, data, deep = "~", "~/data", "~/data/deep"
    assert done.stdout.decode().splitlines() == [
        f"{data} {home}",
        f"{deep} {data} {home}",
        f"{deep} {data} {home}",
        data,
        f"{data} {deep} {home}",
        f"{data} {home}",
        home,
        home,
    ]


def test_words_of_a_command_line_are_taken_as_they_are(user: GridUser) -> None:
    for name in ("a;b", "a|b", "x y", "!x", "it's", "#x", "ü€", "-x", "--", "$HOME"):
        assert user.run("touch", "--" if name.startswith("-") else f"data/deep/{name}", "x").returncode in (0, 22)
        if not name.startswith("-"):
            listed = user.run("ls", f"data/deep/{name}")
            assert (listed.returncode, listed.stdout.decode()) == (0, f"{name}\n"), listed.stderr
            assert user.run("rm", f"data/deep/{name}").returncode == 0


def test_json_is_one_document_a_command_and_lines_are_rows(user: GridUser) -> None:
    document = json.loads(user.run("--json", "ls", "-l", "data").stdout)
    assert document["metadata"] == {"exitcode": "0", "error": "", "user": "tester", "currentdir": HOME}
    assert [row["name"] for row in document["results"]] == ["a", "b", "c d", "deep/"]
    assert json.loads(user.run("ls", "data", "-json").stdout)["results"]
    assert json.loads(user.run("ls", "data", environment={"ALIENPY_JSON": "1"}).stdout)["results"]
    rows = [json.loads(line) for line in user.run("--jsonl", "ls", "data").stdout.splitlines()]
    assert [row["path"] for row in rows] == [f"{HOME}data/{name}" for name in ("a", "b", "c d", "deep/")]
    failed = user.run("--json", "ls", "nosuch")
    assert json.loads(failed.stdout)["metadata"]["exitcode"] == "2"
    assert failed.returncode == 2
    assert user.run("--jsonl", "cert-info").stdout.startswith(b'{"dn": ')


def test_a_file_of_commands(user: GridUser, tmp_path: Path) -> None:
    file = tmp_path / "commands"
    file.write_text("# a comment\n\n  cd data # another\nls nosuch\nls 'c\n d'\npwd\n")
    done = user.run("-f", str(file))
    assert done.returncode == 22
    assert done.stdout.decode() == f"{HOME}data/\n"
    first, second = done.stderr.decode().splitlines()
    assert first.startswith(f"{file}, line 4: No such file")
    assert second.startswith(f"{file}, line 5: Invalid argument : 'c\\n d'")
    stopped = user.run("-f", str(file), "--stop-on-error")
    assert (stopped.returncode, stopped.stdout) == (2, b"")
    assert stopped.stderr.count(b"\n") == 1
    file.write_text("pwd\nls 'x\n")
    unclosed = user.run("-f", str(file))
    assert (unclosed.returncode, unclosed.stdout.decode()) == (22, HOME + "\n")
    assert b"commands: line 2: ' is not closed: \"'x" in unclosed.stderr
    missing = user.run("-f", "/nowhere")
    assert missing.returncode == 2
    assert missing.stderr == b"headless: /nowhere: cannot be read: No such file or directory\n"


def test_a_pipe_is_a_batch_without_banner_or_prompt(user: GridUser) -> None:
    assert texts(user.run(stdin=b"pwd\nexit 3\npwd\n")) == (3, f"{HOME}\n", "")
    assert texts(user.run(stdin=b"")) == (0, "", "")
    done = user.run(stdin=b"ls nosuch\npwd")
    assert (done.returncode, done.stdout.decode()) == (2, f"{HOME}\n")


def test_lines_of_a_pipe_are_run_as_they_come(user: GridUser) -> None:
    environment = {**user.world.environment, **user.variables}
    pipe = subprocess.PIPE
    with subprocess.Popen([HEADLESS, "grid"], stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write(b"pwd\n")
            process.stdin.flush()
            assert process.stdout.readline().decode() == f"{HOME}\n"
        process.stdin.close()
        assert process.wait(30 * TIME_SCALE) == 0


def test_a_file_named_like_a_command_is_no_batch(user: GridUser, tmp_path: Path) -> None:
    marker = tmp_path / "hijacked"
    for name in ("pwd", "ls"):
        (tmp_path / name).write_text(f"!touch {marker}\n")
    environment = {**user.world.environment, **user.variables}
    done = subprocess.run([HEADLESS, "grid", "pwd"], env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout.decode() == f"{HOME}\n"
    assert not marker.exists()


def test_aliases_of_the_users_file(user: GridUser) -> None:
    file = user.home / ".alienpy_aliases"
    file.write_text('hi=pwd\nboth="cd data;ls"\nls=ls -l\n')
    try:
        assert user.run("hi").stdout.decode() == f"{HOME}\n"
        assert user.run("both deep").stdout.decode().rstrip().endswith(" e")
        assert user.run("find", "hi", "*").returncode != 0
    finally:
        file.unlink()


def test_without_a_server_the_rest_is_not_tried(user: GridUser) -> None:
    done = user.run("pwd; ls; !echo x", environment={"ALIENPY_JCENTRAL_PORT": "1", "ALIENPY_CONNECT_TRIES": "1"})
    assert (done.returncode, done.stdout) == (107, b"")
    assert done.stderr.count(b"\n") == 1
    assert user.run("version", environment={"ALIENPY_JCENTRAL_PORT": "1"}).returncode == 0


def test_commands_about_the_session(user: GridUser) -> None:
    lines = user.run("ping 2").stdout.decode().splitlines()
    assert lines[0].startswith("Websocket ping/pong(s) : 2 time(s) to localhost:")
    assert lines[1].startswith("rtt min/avg/max/mdev (ms) = ")
    timed = user.run("time pwd")
    assert timed.stdout.decode() == f"{HOME}\n"
    assert timed.stderr.startswith(b"pwd: ")
    assert b"token-init" in user.run("help").stdout
    assert user.run("help", "ls").stdout == user.run("ls", "-h").stdout
    assert user.run("prompt", "colour").returncode == 22
    told = user.run("pwd", environment={"ALIENPY_TIMECONNECT": "1"})
    assert (told.stdout.decode(), told.stderr.startswith(b"connected in ")) == (f"{HOME}\n", True)


def test_a_trace_is_written_where_it_is_asked_for_and_for_nobody_else(user: GridUser, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    more = {"ALIENPY_DEBUG": "1", "ALIENPY_DEBUG_FILE": str(file)}
    assert user.run("pwd; token", environment=more).returncode == 0
    text = file.read_text()
    assert "-> pwd '-nokeys'\n" in text
    assert f"<- pwd: 0 '' 1 rows, tester in '{HOME}'" in text
    assert "PRIVATE KEY" not in text
    assert file.stat().st_mode & 0o077 == 0
    assert user.run("home", environment={**more, "ALIENPY_DEBUG_APPEND": "1"}).returncode == 0
    assert file.read_text().startswith(text)
    assert user.run("pwd", environment=more).returncode == 0
    assert "-> token" not in file.read_text()


def test_output_that_nobody_reads_ends_it_quietly(user: GridUser) -> None:
    environment = {**user.world.environment, **user.variables}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([HEADLESS, "grid", "pwd"], env=environment, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (-13, b"")


def test_a_reader_that_has_gone_is_no_fault_of_the_file(user: GridUser, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("commandlist\n" * 2000)
    reader = subprocess.Popen(
        [HEADLESS, "grid", "-f", str(tmp_path / "b.txt")], env={**user.world.environment, **user.variables},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
    )  # fmt: skip
    assert reader.stdout is not None and reader.stderr is not None
    reader.stdout.readline()
    reader.stdout.close()
    assert reader.stderr.read() == b""
    reader.stderr.close()
    assert reader.wait(30 * TIME_SCALE) == -signal.SIGPIPE
