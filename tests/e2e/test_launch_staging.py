"""Files of the grid for any job: fetched before it, stored after it, on the server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from support import Server, World, open_world


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a grid with storage, who has a file there."""
    with GridServer(tmp_path_factory.mktemp("grid")).with_storages(1) as server:
        user = server.add_user("tester")
        server.start()
        path = user.home / "words.txt"
        path.write_text("quiet words\n")
        for lfn in ("words.txt", "a=b.txt"):
            done = user.run("cp", f"file:{path}", f"alien:{lfn}")
            assert done.returncode == 0, done.stderr
        yield user


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Where the launches are made."""
    with open_world() as world:
        yield world


@pytest.fixture(scope="module")
def server(world: World, grid: GridUser) -> Server:
    """A server of jobs, whose settings have the grid's variables."""
    settings = world.home / "server.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in grid.variables.items()]
    settings.write_text("\n".join(["[environment]", *lines]) + "\n")
    return world.serve("--config", str(settings), tls=False)


class Run:
    """One launch with ``-c``, and what it came to."""

    def __init__(self, server: Server, code: str, *options: str) -> None:
        done = server.world.run("-s", server.unix, "-t", "60", "-c", code, "-o", "-", *options, limit_s=70)
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()


LOUD = "open('out/loud.txt', 'w').write(open('in/words.txt').read().upper()); print('done')"
MAKE = "import os; os.makedirs('out', exist_ok=True); "


def test_a_jobs_files_are_fetched_and_stored(server: Server, grid: GridUser) -> None:
    words = ("--in", "a=b.txt=in/words.txt", "--out", "out/loud.txt=staged/loud.txt", "--name", "loud")
    run = Run(server, MAKE + LOUD, *words)
    assert (run.code, run.out, run.err) == (0, "done\n", "")
    assert grid.run("cat", "staged/loud.txt").stdout == b"QUIET WORDS\n"
    (listed,) = json.loads(server.world.run("jobs", "list", "-s", server.unix, "--name", "loud", "--json").stdout)
    job_id = listed["job_id"]
    shown = server.world.run("jobs", "show", "-s", server.unix, job_id).stdout.decode()
    assert "in/words.txt" in shown and "staged/loud.txt" in shown
    # Once more, with the same files.
    assert grid.run("rm", "staged/loud.txt").returncode == 0
    done = server.world.run("jobs", "rerun", "-s", server.unix, "-t", "60", job_id)
    assert (done.returncode, done.stderr) == (0, b"")
    assert grid.run("cat", "staged/loud.txt").stdout == b"QUIET WORDS\n"


def test_without_its_input_the_program_is_not_run(server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    run = Run(server, f"open({str(mark)!r}, 'w')", "--in", "nosuch.txt=in.txt")
    assert (run.code, run.out) == (4, "")
    assert "input could not be fetched" in run.err and "nosuch.txt" in run.err
    assert not mark.exists()


def test_an_output_that_cannot_be_stored_is_kept(server: Server, grid: GridUser) -> None:
    run = Run(server, "open('a.txt', 'w').write('precious')", "--out", "a.txt=/nowhere/of/mine/a.txt")
    assert run.code == 4
    folder = run.err.partition("it is kept in ")[2].split()[0].rstrip(".;:")
    assert (Path(folder) / "a.txt").read_text() == "precious"
    run = Run(server, "pass", "--out", "a.txt=a.txt")
    assert run.code == 4
    assert "has not made a.txt" in run.err


def test_of_a_failed_program_nothing_is_stored(server: Server, grid: GridUser) -> None:
    run = Run(server, "open('b.txt', 'w').write('half'); raise ValueError('broken')", "--out", "b.txt=b.txt")
    assert run.code == 4
    assert "ValueError: broken" in run.err
    assert grid.run("ls", "b.txt").returncode == 2
    run = Run(server, "import os; os.kill(os.getpid(), 9)", "--out", "b.txt=b.txt")
    assert run.code == 4
    assert "signal 9" in run.err or "SIGKILL" in run.err


def test_its_arguments_input_progress_and_result_are_its_own(server: Server, world: World) -> None:
    result = world.home / "result.json"
    code = "import sys; from headless import job; job.result([sys.argv[1:], sys.stdin.read()])"
    done = world.run(
        "-s", server.unix, "-t", "60", "-c", code, "--in", "words.txt=w", "--stdin", "--result", str(result), "--",
        "a b", "--x", stdin=b"typed",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(result.read_text()) == [["a b", "--x"], "typed"]


@pytest.mark.parametrize(
    "option",
    [
        "--in=x.txt",
        "--in=x=/etc/passwd",
        "--in=x=../up",
        "--in=x=a/../..",
        "--in=x/=a",
        "--out=a",
        "--out=../a=x",
        "--out==x",
    ],
)
def test_paths_stay_within_the_jobs_folder(server: Server, option: str) -> None:
    run = Run(server, "pass", option)
    assert (run.code, run.out) == (2, "")
    assert option.partition("=")[0] in run.err


def test_two_files_of_one_path_are_refused(server: Server) -> None:
    assert Run(server, "pass", "--in", "a=x", "--in", "b=./x").code == 2
    assert Run(server, "pass", "--out", "a=x", "--out", "b=x").code == 2
