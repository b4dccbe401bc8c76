"""What a job says of itself: its progress on a terminal, its result in a file."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_support import STARTS, run_for_result
from support import HEADLESS, TIME_SCALE, Server, open_world


@pytest.fixture(scope="module", params=list(STARTS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of either kind."""
    with open_world() as world:
        yield world.serve(*STARTS[request.param], tls=False)


def _run_at_terminal(server: Server, *options: str) -> tuple[int, str]:
    """Run a launch whose standard error is a terminal; return its exit code and what was shown there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [HEADLESS, "-s", server.unix, "-t", "-1", *options],
        env=server.world.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:
        pass  # Linux: the last one who could write there has gone
    finally:
        os.close(ours)
    return process.wait(30 * TIME_SCALE), shown.decode()


def test_progress_is_a_bar_on_a_terminal_with_v(server: Server) -> None:
    code = "from headless import job\njob.progress(1, 4)\njob.progress(4, 4)\n"
    status, shown = _run_at_terminal(server, "-v", "-c", code)
    assert status == 0
    full = f"\r[{'#' * 30}] 4/4"
    assert full in shown
    assert shown.index(full) < shown.index("ended well")
    assert shown.partition(full)[2].startswith("\r\n")  # the bar stays, what follows begins on its own line


@pytest.mark.parametrize(
    ("call", "bar"),
    [
        ("job.progress(0.5, 1)", "[" + "#" * 15 + "." * 15 + "] 0.5/1"),
        ("job.progress(7, 0)", "7"),
        ("job.progress(30, 20)", "[" + "#" * 30 + "] 30/20"),
        ("[job.progress(n, 100000) for n in range(100001)]", "[" + "#" * 30 + "] 100000/100000"),
    ],
    ids=["a half", "unknown total", "more than all", "very often"],
)
def test_the_last_progress_is_always_shown(server: Server, call: str, bar: str) -> None:
    status, shown = _run_at_terminal(server, "-v", "-c", f"from headless import job\n{call}")
    assert status == 0
    assert f"\r{bar}" in shown
    assert shown.count("\r[") < 100


def test_there_is_no_bar_without_v_and_none_without_a_terminal(server: Server) -> None:
    code = "from headless import job; job.progress(1, 2)"
    assert _run_at_terminal(server, "-c", code) == (0, "")
    done = server.world.run("-s", server.unix, "-t", "-1", "-v", "-c", code)
    assert done.returncode == 0 and b"\r" not in done.stderr and b"1/2" not in done.stderr


@pytest.mark.parametrize(
    "value",
    [None, 0, -1.5e300, "", "ü€\U0001f600\0", [], {"a": [1, {"b": None}]}, "x" * ((1 << 20) - 2), ["\x7f"] * 1000],
    ids=range(9),
)
def test_a_result_comes_as_it_was_handed_over(server: Server, value: Any) -> None:
    code = "import json, sys; from headless import job; job.result(json.load(sys.stdin))"
    assert run_for_result(server, "--stdin", "-c", code, stdin=json.dumps(value).encode()) == value


def test_a_result_goes_to_a_file_and_the_last_one_counts(server: Server) -> None:
    file = server.world.home / "result.json"
    file.write_text("of yesterday, and longer than the new one")
    code = "from headless import job; job.result('first'); job.result({'last': 'ü'}); raise SystemExit(3)"
    done = server.world.run("-s", server.unix, "-t", "-1", "--result", str(file), "-c", code)
    assert (done.returncode, done.stdout) == (4, b"")
    assert file.read_text() == '{\n  "last": "ü"\n}\n'


def test_no_result_although_one_was_wanted_is_told(server: Server) -> None:
    file = server.world.home / "none.json"
    done = server.world.run("-s", server.unix, "-t", "-1", "--result", str(file), "-c", "pass")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().rstrip().endswith("ended well and handed over no result")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("float('nan')", "ValueError"),
        ("[float('inf')]", "ValueError"),
        ("'x' * (1 << 20)", "ValueError: the result has 1048578 bytes as JSON"),
        ("{1, 2}", "TypeError"),
        ("__import__('os').fsdecode(b'\\xff')", "UnicodeEncodeError"),
        ("__import__('functools').reduce(lambda inner, _: [inner], range(40), 1)", "ValueError: the result has more"),
        ("__import__('functools').reduce(lambda inner, _: [inner], range(9999), 1)", "ValueError: the result has more"),
    ],
    ids=["NaN", "infinity", "too large", "a set", "no Unicode", "too deep", "far too deep"],
)
def test_what_cannot_be_a_result_is_refused_in_the_job(server: Server, value: str, error: str) -> None:
    code = f"from headless import job\njob.result('before')\njob.result({value})"
    done = server.world.run("-s", server.unix, "-t", "-1", "--result", "-", "-c", code)
    assert done.returncode == 4
    assert f"failed: {error}" in done.stderr.decode()
    assert done.stdout == b'"before"\n'


def test_what_else_is_written_to_the_report_harms_nobody(server: Server) -> None:
    code = """
import os
for line in (b"no json", b"[1]", b"{}", b'{"progress": "x"}', b'{"progress": [1]}', b"[" * 100000, b"\\xff" * 3000000):
    view = memoryview(line + b"\\n")
    while view:
        view = view[os.write(3, view):]
from headless import job
job.result("still heard")
"""
    assert run_for_result(server, "-c", code) == "still heard"


def test_a_program_that_the_job_starts_does_not_report_into_its_own_files(server: Server) -> None:
    file = server.world.home / f"own-{os.urandom(4).hex()}"
    inner = "import sys; file = open(sys.argv[1], 'w'); assert file.fileno() == 3, file.fileno()\n"
    inner += "from headless import job; job.result('inner'); job.progress(1, 1)"
    code = "import subprocess, sys; from headless import job; job.result('outer')\n"
    code += f"subprocess.run([sys.executable, '-I', '-c', {inner!r}, {str(file)!r}], check=True)"
    assert run_for_result(server, "-c", code) == "outer"
    assert Path(file).read_bytes() == b""


@pytest.mark.parametrize("value", ["NaN", "[" * 40 + "]" * 40, '"\\ud800"'])
def test_a_result_written_past_the_checks_costs_the_result_and_not_the_outcome(server: Server, value: str) -> None:
    code = f"import os; os.write(3, b'{{\"result\": ' + {value!r}.encode() + b'}}\\n')"
    done = server.world.run("-s", server.unix, "-c", code, "-t", "20", "--result", "-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"handed over no result" in done.stderr


@pytest.mark.parametrize("progress", ["[" + "9" * 400 + ", 1]", "[NaN, 1]", '"x"', "[[1], 2]"])
def test_a_progress_that_is_none_harms_neither_the_job_nor_the_server(server: Server, progress: str) -> None:
    code = f"import os; os.write(3, b'{{\"progress\": ' + {progress!r}.encode() + b'}}\\n')"
    done = server.world.run("-s", server.unix, "-c", code, "-t", "20")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "action=bug" not in server.log
