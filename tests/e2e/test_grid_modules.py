"""The modules of the grid, as jobs of a real server, against a grid of one's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from grid_support import GridServer, GridUser
from support import World, open_world


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridUser]:
    """A user of a grid with storage who may have jobs."""
    with GridServer(tmp_path_factory.mktemp("grid"), "--run-as", "root").with_storages(1) as server:
        user = server.add_user("tester", "jobs")
        server.start()
        yield user


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Where the modules are launched."""
    with open_world() as world:
        yield world


class Launch:
    """Launches a module with the grid's variables."""

    def __init__(self, world: World, user: GridUser, module: str) -> None:
        self.world = world
        self.module = module
        self.variables = [f"--env={name}={value}" for name, value in user.variables.items()]
        self.result = world.home / "result.json"

    def run(self, *words: str, code: int = 0) -> str:
        """Launch; the job's own exit status must be ``code``. Both outputs."""
        self.result.unlink(missing_ok=True)
        done = self.world.run(
            "-t", "120", "-o", "-", "--exit-code", "job", "-m", self.module, "--result", str(self.result), "--",
            *self.variables, *words, limit_s=130,
        )  # fmt: skip
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout.decode() + done.stderr.decode()

    @property
    def counts(self) -> dict[str, int]:
        """What the last run has handed over."""
        found: dict[str, int] = json.loads(self.result.read_text())
        return found


@pytest.fixture
def sync(world: World, user: GridUser) -> Launch:
    """The module grid-sync."""
    return Launch(world, user, "grid-sync")


@pytest.fixture
def submit(world: World, user: GridUser) -> Launch:
    """The module grid-submit."""
    return Launch(world, user, "grid-submit")


def _fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _read(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


FILES = {"a.txt": "one", "b/c d.txt": "two", "b/.hidden": "three", "skip/me.txt": "no", "x.tmp": "no"}
WANTED = {name: text for name, text in FILES.items() if text != "no"}


def test_a_folder_is_mirrored_up_and_down(sync: Launch, tmp_path: Path) -> None:
    up, down = _fill(tmp_path / "up", FILES), tmp_path / "down"
    exclude = ("--exclude", "*.tmp", "--exclude", "skip")
    assert "would be copied" in sync.run(str(up), "alien:mirror", *exclude, "--dry-run")
    assert (sync.counts["copied"], sync.counts["dry_run"]) == (3, True)
    sync.run(str(up), "alien:mirror", *exclude)
    assert (sync.counts["copied"], sync.counts["same"]) == (3, 0)
    sync.run("alien:mirror", str(down), "--dry-run")
    assert (sync.counts["copied"], down.exists()) == (3, False)
    sync.run("alien:mirror", str(down))
    assert _read(down) == WANTED
    # Only what differs: of the same size, larger, new, gone.
    _fill(up, {"a.txt": "eno", "b/c d.txt": "larger", "new.txt": "new"})
    (up / "b" / ".hidden").unlink()
    sync.run(str(up), "alien:mirror", *exclude, "--dry-run")
    assert (sync.counts["copied"], sync.counts["deleted"]) == (3, 0)
    sync.run(str(up), "alien:mirror", *exclude)
    assert (sync.counts["copied"], sync.counts["same"], sync.counts["deleted"]) == (3, 0, 0)
    sync.run(str(up), "alien:mirror", *exclude, "--delete")
    assert (sync.counts["copied"], sync.counts["same"], sync.counts["deleted"]) == (0, 3, 1)
    _fill(down, {"mine.tmp": "stays", "yours.txt": "goes"})
    sync.run("alien:mirror", str(down), "--exclude", "*.tmp", "--delete")
    assert _read(down) == {"a.txt": "eno", "b/c d.txt": "larger", "new.txt": "new", "mine.tmp": "stays"}


def test_nothing_is_deleted_by_accident(sync: Launch, user: GridUser, tmp_path: Path) -> None:
    full, empty = _fill(tmp_path / "full", {"a": "1", "b": "2"}), tmp_path / "empty"
    empty.mkdir()
    sync.run(str(full), "alien:guarded")
    assert "the source is empty" in sync.run(str(empty), "alien:guarded", "--delete", code=1)
    assert "is no folder" in sync.run(str(tmp_path / "none"), "alien:guarded", "--delete", code=2)
    assert "is no folder of the grid" in sync.run("alien:nosuch", str(full), "--delete", code=2)
    assert _read(full) == {"a": "1", "b": "2"}
    assert user.run("ls", "guarded").stdout == b"a\nb\n"
    # A file that cannot be copied: the rest is, and nothing is deleted.
    (empty / "a").mkdir()
    (empty / "a" / "below").write_text("a file is where its folder should be")
    sync.run(str(empty), "alien:guarded", "--delete", code=1)
    assert user.run("ls", "guarded").stdout == b"a\nb\n"
    (empty / "a" / "below").unlink()
    sync.run(str(empty), "alien:guarded", "--delete", "--allow-empty")
    assert user.run("ls", "guarded").stdout == b""


def test_an_interrupted_mirror_goes_on_with_its_report(sync: Launch, tmp_path: Path) -> None:
    up, report = _fill(tmp_path / "up", {f"{number}": str(number) for number in range(5)}), tmp_path / "report"
    sync.run(str(up), "alien:resumed", "--report", str(report))
    lines = report.read_text().splitlines()
    assert len(lines) == 5
    report.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])
    sync.run(str(up), "alien:resumed", "--report", str(report))
    assert (sync.counts["copied"], sync.counts["same"]) == (0, 5)


JDL = """Executable = "/bin/sh"; Arguments = {"-c", "echo $1 > out.txt; sleep $2; exit $3"};
OutputDir = "jobs/$1"; Output = {"out.txt", "stdout"};"""


def test_a_job_is_submitted_awaited_and_fetched(submit: Launch, tmp_path: Path) -> None:
    jdl = _fill(tmp_path, {"job.jdl": JDL}) / "job.jdl"
    said = submit.run(str(jdl), "one", "0", "0", "--fetch", str(tmp_path / "out"))
    job_id = submit.counts["job_id"]
    assert said.startswith(f"job {job_id} submitted\n")
    assert said.endswith(f"job {job_id} DONE\n")
    assert _read(tmp_path / "out") == {"out.txt": "one\n", "stdout": ""}
    assert submit.counts == {"job_id": job_id, "state": "DONE", "fetched": 2}


def test_its_status_is_the_jobs_state(submit: Launch) -> None:
    assert "has ended as ERROR_E" in submit.run(JDL, "two", "0", "3", code=4)
    submit.run('Executable = "/bin/true"; InputFile = {"LF:/nosuch/file"};', code=5)
    submit.run('Executable = "/bin/sleep"; Arguments = "60"; TTL = 1;', code=7)
    submit.run('Executable = "/no/such";', code=1)
    submit.run("Executable = ;", code=2)
    assert "goes on" in submit.run(JDL, "three", "4", "0", "--timeout", "1", code=3)
    assert "was killed" in submit.run(JDL, "four", "60", "0", "--timeout", "1", "--kill-on-timeout", code=7)


def test_a_second_run_with_its_tag_follows_the_same_job(submit: Launch) -> None:
    submit.run(JDL, "five", "3", "0", "--timeout", "1", "--tag", "five of today", code=3)
    job_id = submit.counts["job_id"]
    said = submit.run(JDL, "five", "3", "0", "--tag", "five of today")
    assert f"job {job_id} was submitted before" in said
    assert submit.counts["job_id"] == job_id
