"""How a job ends, and what is told of it, after a warm and a cold start."""

import sys
from collections.abc import Iterator

import pytest

from job_support import STARTS
from support import Server, World, open_world

KEYBOARD = """
import atexit, sys
atexit.register(lambda: print("at exit"))
sys.stdout.write("half a line")
raise KeyboardInterrupt
"""
CHAINED = """
def inner():
    {}["key"]
try:
    inner()
except KeyError as exc:
    raise RuntimeError("outer") from exc
"""
IN_A_THREAD = """
import threading
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
"""
NO_TEXT = """
class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")
raise Odd
"""
ENDS = [
    ("pass", 0, ""),
    ("raise SystemExit", 0, ""),
    ("import sys; sys.exit(7)", 7, "failed: exit status 7"),
    ("import os; os._exit(9)", 9, "failed: exit status 9"),
    ("import sys; sys.exit('the disk is full')", 1, "failed: exit status 1"),
    ("raise ValueError('two\\nlines')", 1, "failed: ValueError: two lines"),
    (CHAINED, 1, "failed: RuntimeError: outer"),
    (NO_TEXT, 1, "failed: Odd: (its text cannot be had)"),
    ("x = = 1", 1, "failed: SyntaxError: invalid syntax"),
    (KEYBOARD, 130, "failed: killed by signal 2 (SIGINT)"),
    ("import os; os.abort()", 134, "failed: killed by signal 6 (SIGABRT)"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143, "failed: killed by signal 15 (SIGTERM)"),
    ("import os; os.kill(os.getpid(), 34)", 162, "failed: killed by signal 34"),
    (IN_A_THREAD, 0, ""),
    ("import sys; sys.stdout.close(); sys.stderr.close(); sys.stdin.close()", 0, ""),
    ("import sys; sys.stdout = sys.stderr = None; 1/0", 1, "failed: ZeroDivisionError: division by zero"),
    ("import os; os.close(3); 1/0", 1, "failed: exit status 1"),
    ("import sys; sys.setrecursionlimit(100)\ndef f(): f()\nf()", 1, "failed: RecursionError: maximum recursion"),
]


@pytest.fixture(scope="module", params=list(STARTS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of either kind; the program of the cold one can be removed."""
    with open_world() as world:
        program = world.home / "python"
        program.symlink_to(sys.executable)
        options = ["--python", str(program)] if STARTS[request.param] else []
        yield world.serve(*options, tls=False)


def _launch(server: Server, code: str, *options: str) -> tuple[int, str, str]:
    script = server.world.home / "job.py"
    script.write_text(code)
    done = server.world.run("-s", server.unix, "-t", "-1", "-f", str(script), *options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(("code", "status", "message"), ENDS, ids=range(len(ENDS)))
def test_the_exit_code_and_the_line_say_how_the_job_ended(server: Server, code: str, status: int, message: str) -> None:
    returned, stdout, stderr = _launch(server, code, "--exit-code", "job")
    assert (returned, stdout) == (status, "")
    first = stderr.partition("\n")[0]
    assert message in first and (first == "") == (message == "")
    assert "headless/execution" not in stderr and "runner.py" not in stderr


def _tail_of_stderr(text: str) -> str:
    return text.partition("--- the end of its stderr:\n")[2]


def test_a_traceback_shows_the_jobs_own_frames_and_source_only(server: Server) -> None:
    returned, _, stderr = _launch(server, CHAINED)
    assert returned == 4
    lines = _tail_of_stderr(stderr).splitlines()
    script = next(line for line in lines if "script.py" in line).split('"')[1]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{script}", line 5, in <module>',
        "    inner()",
        f'  File "{script}", line 3, in inner',
        '    {}["key"]',
        "    ~~^^^^^^^",
        "KeyError: 'key'",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        f'  File "{script}", line 7, in <module>',
        '    raise RuntimeError("outer") from exc',
        "RuntimeError: outer",
    ]


def test_a_syntax_error_is_shown_with_its_place(server: Server) -> None:
    tail = _tail_of_stderr(_launch(server, "good = 1\nx = = 1\n")[2])
    assert 'script.py", line 2\n' in tail and "    x = = 1\n        ^\n" in tail
    assert "Traceback" not in tail


def test_text_for_the_exit_is_printed_and_an_exception_in_a_thread_is_not_the_jobs_end(server: Server) -> None:
    assert _tail_of_stderr(_launch(server, "raise SystemExit('the disk is full')")[2]) == "the disk is full\n"
    returned, _, stderr = _launch(server, IN_A_THREAD + "raise SystemExit(3)")
    assert returned == 4 and "failed: exit status 3" in stderr
    assert "Exception in thread Thread-1" in stderr and "ZeroDivisionError" in stderr


def test_an_interrupted_job_cleans_up_and_says_what_it_had_begun_to_say(server: Server) -> None:
    output = server.world.home / "said"
    assert _launch(server, KEYBOARD, "-o", str(output))[0] == 4
    assert output.read_bytes() == b"half a lineat exit\n"


def test_fifty_children_are_the_jobs_own_business(server: Server) -> None:
    code = """
import os, subprocess
children = [subprocess.Popen(["sh", "-c", f"echo {n}; exit {n}"], stdout=subprocess.PIPE) for n in range(50)]
said = [int(child.communicate()[0]) for child in children]
raise SystemExit([child.returncode for child in children] != list(range(50)) or said != list(range(50)))
"""
    assert _launch(server, code) == (0, "", "")


def test_an_interpreter_that_has_been_removed_is_told_and_nothing_has_run(world: World) -> None:
    program = world.home / "python"
    program.symlink_to(sys.executable)
    server = world.serve("--python", str(program), tls=False)
    program.unlink()
    done = world.run("-s", server.unix, "-t", "-1", "-c", "pass", "--exit-code", "job")
    assert (done.returncode, done.stdout) == (4, b"")
    assert b"failed: the job could not be started: " in done.stderr and str(program).encode() in done.stderr
    assert b"No such file or directory" in done.stderr
