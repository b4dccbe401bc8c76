"""The supervisor on its own: its claim, its record, and what it does when it cannot do its work."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headless.execution.claim import CLAIM, Claim, read_claim
from headless.execution.control import CONTROL
from headless.execution.record import EXIT
from headless.execution.supervisor import PLAN, RESULT
from job_support import find_processes, wait_dead
from support import TIME_SCALE, wait_for

START = """
import sys
from headless.execution.runner import run_program
from headless.execution.supervisor import supervise
program = supervise(sys.argv[1])
if program is not None:
    run_program(program.script, program.import_folder, program.arguments)
"""
WAITS = "import os, time\nopen('../runs', 'a').write('x')\nwhile not os.path.exists('../go'): time.sleep(0.02)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder."""
    folder = tmp_path / "job"
    (folder / "work").mkdir(parents=True)
    return folder


UNKILLABLE = """
import os, sys
from headless.execution import supervisor, tree
tree.LAST_RESORT_S = 0.5
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
if supervisor.supervise(sys.argv[1]) is not None:
    command = ["root", "--reuid=0", "--clear-groups", "sleep", "30"]
    os.execv(os.path.join(sys.argv[1], "root"), command)
"""


def _plan(folder: Path, code: str, **changes: Any) -> None:
    (folder / "script.py").write_text(code)
    plan: dict[str, Any] = {
        "job_id": "J",
        "name": "n",
        "script": str(folder / "script.py"),
        "import_folder": "",
        "arguments": [],
        "environment": {"HEADLESS_REPORT_FD": "3", "LANG": "C.UTF-8", "MARK": str(folder)},
        "python": "",
        "work": str(folder / "work"),
        "stdin": os.devnull,
        "user": None,
        "spool_limit": 1 << 20,
        "grace_s": 1.0,
        "max_runtime_s": None,
        "limits": {"memory": 0, "cpu_s": 0, "open_files": 0, "processes": 0, "nice": 0},
        "cgroup": "",
        "descriptors": 1024,
        "doorbell": os.path.join("..", "doorbell"),
    }
    (folder / PLAN).write_text(json.dumps(plan | changes))


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-I", "-c", START, str(folder)], stdin=subprocess.DEVNULL)


def _run(folder: Path) -> dict[str, Any]:
    """Run a job to its end; return its record."""
    assert _start(folder).wait(30 * TIME_SCALE) == 0
    record: dict[str, Any] = json.loads((folder / EXIT).read_bytes())
    return record


def test_the_record_says_how_the_job_ended_and_nothing_half_written_stays(folder: Path) -> None:
    _plan(folder, "print('out'); import sys; print('err', file=sys.stderr); sys.exit(3)")
    record = _run(folder)
    assert record.pop("duration_s") > 0
    assert record == {"ending": "status", "code": 3, "reason": "", "written": {"stdout": 4, "stderr": 4}, "dropped": {}}
    assert sorted(os.listdir(folder)) == [CLAIM, CONTROL, EXIT, PLAN, "script.py", "stderr", "stdout"]
    assert ((folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()) == (b"out\n", b"err\n")
    assert {(folder / name).stat().st_mode & 0o777 for name in (CLAIM, EXIT, "stdout", "stderr")} == {0o600}


def test_a_job_that_is_claimed_is_not_run_a_second_time_neither_is_one_that_has_ended(folder: Path) -> None:
    _plan(folder, WAITS)
    assert read_claim(str(folder)) is Claim.NONE
    first = _start(folder)
    wait_for((folder / "runs").exists, "the job")
    assert read_claim(str(folder)) is Claim.HELD
    assert _start(folder).wait(30 * TIME_SCALE) == 0
    assert first.poll() is None and read_claim(str(folder)) is Claim.HELD
    (folder / "go").touch()
    assert first.wait(30 * TIME_SCALE) == 0
    assert read_claim(str(folder)) is Claim.FREE
    before = (folder / EXIT).stat()
    assert _start(folder).wait(30 * TIME_SCALE) == 0
    assert (folder / EXIT).stat() == before
    assert (folder / "runs").read_text() == "x"


def test_asking_for_the_claim_never_takes_it(folder: Path) -> None:
    """A supervisor that starts at this moment must not find it held: so it is asked for as often as can be."""
    _plan(folder, "pass")
    process = _start(folder)
    answers = []
    while process.poll() is None:
        answers.append(read_claim(str(folder)))
    assert process.returncode == 0 and Claim.HELD in answers
    changes = [answer for before, answer in pairwise([Claim.NONE, *answers]) if answer is not before]
    assert changes in ([Claim.HELD], [Claim.HELD, Claim.FREE])  # never free before the end
    assert json.loads((folder / EXIT).read_bytes())["code"] == 0


def test_a_killed_supervisor_leaves_no_claim_no_record_and_no_job(folder: Path) -> None:
    _plan(folder, WAITS.replace("'x'", "str(os.getpid())"))
    process = _start(folder)
    wait_for(lambda: (folder / "runs").exists() and (folder / "runs").read_text() != "", "the job")
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_dead(int((folder / "runs").read_text()))
    assert read_claim(str(folder)) is Claim.FREE and not (folder / EXIT).exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stdin": "/nonexistent/input"}, "[Errno 2] No such file or directory: '/nonexistent/input'"),
        ({"work": "/nonexistent/work"}, "[Errno 2] No such file or directory: '/nonexistent/work'"),
        ({"python": "/nonexistent/python"}, "[Errno 2] No such file or directory: '/nonexistent/python'"),
        ({"python": "/etc/passwd"}, "[Errno 13] Permission denied: '/etc/passwd'"),
        ({"user": {"uid": 1, "gid": 1, "groups": ["no number"]}}, "groups must be integers"),
    ],
    ids=["input", "folder", "interpreter", "no program", "user"],
)
def test_a_job_that_cannot_be_started_leaves_a_record_too(folder: Path, change: dict[str, Any], reason: str) -> None:
    if "user" in change and os.geteuid() != 0:
        reason = "[Errno 1] Operation not permitted"
        change = {"user": {"uid": 0, "gid": 0, "groups": []}}
    _plan(folder, "open('../ran', 'w')", **change)
    record = _run(folder)
    assert (record["ending"], record["code"]) == ("not_started", 127)
    assert record["reason"] == f"the job could not be started: {reason}"
    assert not (folder / "ran").exists()


def test_an_output_that_cannot_be_kept_is_told_and_costs_the_job_nothing(folder: Path) -> None:
    _plan(folder, "import sys; print('out'); print('err', file=sys.stderr)")
    (folder / "stderr").mkdir()
    record = _run(folder)
    assert (record["ending"], record["code"], record["dropped"]) == ("status", 0, {"stderr": 4})
    assert record["reason"] == "stderr could not be kept: File exists"
    assert (folder / "stdout").read_bytes() == b"out\n"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 1}'])
def test_a_damaged_plan_leaves_a_record_too(folder: Path, text: str) -> None:
    (folder / PLAN).write_text(text)
    record = _run(folder)
    assert (record["ending"], record["code"]) == ("not_started", 127)
    assert record["reason"].startswith("the job could not be started: ")


def test_a_record_that_cannot_be_written_is_tried_again_until_it_can(folder: Path) -> None:
    """A folder in the place of the record stands for a full disk: writing fails until it has gone."""
    (folder / EXIT).mkdir()
    _plan(folder, "from headless import job; job.result(7)")
    process = _start(folder)
    wait_for((folder / RESULT).exists, "the result, which is written before the record")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    assert read_claim(str(folder)) is Claim.HELD
    (folder / EXIT).rmdir()
    assert process.wait(30 * TIME_SCALE) == 0
    assert json.loads((folder / EXIT).read_bytes())["ending"] == "status"
    assert (folder / RESULT).read_text() == "7"
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]


def test_a_result_that_cannot_be_written_is_told_and_holds_up_no_outcome(folder: Path) -> None:
    (folder / RESULT).mkdir()
    _plan(folder, "from headless import job; job.result(7)")
    record = _run(folder)
    assert (record["ending"], record["code"]) == ("status", 0)
    assert record["reason"].startswith("its result could not be kept: ")


def test_a_supervisor_whose_folder_was_removed_ends_with_its_job(folder: Path) -> None:
    go = folder.parent / "go"
    _plan(folder, WAITS.replace("'../go'", repr(str(go))))
    process = _start(folder)
    wait_for((folder / "runs").exists, "the job")
    shutil.rmtree(folder)
    go.touch()
    assert process.wait(30 * TIME_SCALE) == 0
    assert not folder.exists()


def test_it_rings_for_its_output_and_for_its_end_and_needs_nobody_to_listen(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(folder.parent / "doorbell"))
        bell.setblocking(False)
        _plan(folder, "print('out')")
        _run(folder)
        rings = []
        try:
            while True:
                rings.append(bell.recv(64))
        except BlockingIOError:
            pass
    assert set(rings) == {b"J"} and len(rings) >= 3  # the start, the output, the end


def test_a_folder_that_the_job_has_made_read_only_goes_too(tmp_path: Path) -> None:
    """As an ordinary user: no mode stops root, so it becomes ``nobody``."""
    base = tmp_path if os.geteuid() else Path("/tmp") / f"hl-{os.urandom(4).hex()}"
    base.mkdir(exist_ok=True)
    base.chmod(0o777)
    code = """
import os, sys
from headless.execution.files import remove_tree
base = sys.argv[1]
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.makedirs(base + "/tree/a/b/c")
os.mkdir(base + "/kept", 0o500)
os.symlink(base + "/kept", base + "/tree/a/link")
open(base + "/tree/a/b/file", "w").close()
for path in ("/tree/a/b/c", "/tree/a/b", "/tree/a"):
    os.chmod(base + path, 0o500 if path != "/tree/a/b" else 0)
os.chmod(base + "/tree", 0)
remove_tree(base + "/tree")
assert os.listdir(base) == ["kept"], os.listdir(base)
assert os.stat(base + "/kept").st_mode & 0o777 == 0o500
os.rmdir(base + "/kept")
remove_tree(base + "/not there")
"""
    try:
        subprocess.run([sys.executable, "-I", "-c", code, str(base)], check=True, timeout=30 * TIME_SCALE)
    finally:
        base.rmdir()


@pytest.mark.peer("setpriv")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a program that an ordinary user cannot end")
def test_what_could_not_be_ended_is_told(folder: Path) -> None:
    """A program of root that an ordinary user may start takes no signal of that user's supervisor."""
    base = Path("/tmp") / f"hl-{os.urandom(4).hex()}"
    shutil.copytree(folder, base)
    shutil.copy("/usr/bin/setpriv", base / "root")
    try:
        _plan(base, "", max_runtime_s=0.3, grace_s=0.2)
        for path in (base, *base.iterdir()):
            os.chown(path, 65534, 65534)
        os.chown(base / "root", 0, 0)
        (base / "root").chmod(0o4755)
        process = subprocess.Popen([sys.executable, "-I", "-c", UNKILLABLE, str(base)], stdin=subprocess.DEVNULL)
        assert process.wait(20 * TIME_SCALE) == 0
        record = json.loads((base / EXIT).read_bytes())
        assert (record["ending"], record["code"]) == ("limit", None)
        assert record["reason"] == "its run-time limit of 0.3 s; 1 process of it could not be ended"
    finally:
        for pid in find_processes(f"MARK={base}"):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(base)
