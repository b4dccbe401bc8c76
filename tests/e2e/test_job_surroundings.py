"""What a job finds around it, and that it is the same after a warm and a cold start."""

import hashlib
import os
import pwd
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_support import STARTS, run_for_result
from support import Server, open_world, wait_for

LOOK = """
import __main__, fcntl, io, os, resource, signal, sys, time
from headless import job
import sibling

def read_status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name + ":"))

def describe(stream):
    return [stream.name, stream.mode, stream.encoding, stream.errors, stream.seekable(), stream.isatty(),
            stream.fileno(), stream.line_buffering, stream.write_through]

fds = {}
for name in os.listdir("/proc/self/fd"):
    try:
        fds[name] = os.readlink("/proc/self/fd/" + name).split(":")[0]
    except FileNotFoundError:
        pass  # the folder's own
umask = os.umask(0)
dispositions = {n.name: str(signal.getsignal(n)) for n in signal.valid_signals() if isinstance(n, signal.Signals)}
job.result({
    "environ": dict(os.environ), "cwd": os.getcwd(), "cwd_listing": os.listdir("."), "stdin": sys.stdin.read(),
    "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "fds": fds, "umask": umask, "dispositions": dispositions, "blocked": read_status("SigBlk"),
    "argv": sys.argv, "name": __name__, "file": __file__, "isolated": sys.flags.isolated,
    "is_main": sys.modules["__main__"].__dict__ is globals(), "builtins": type(__builtins__).__name__,
    "first_path": sys.path[0], "sibling": sibling.VALUE, "flags": list(sys.flags), "path": sys.path,
    "streams": [describe(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
    "originals": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "hour": time.localtime(0).tm_hour, "zone": time.tzname[0], "tty": os.ctermid() and os.path.exists("/dev/tty"),
    "ids": [os.getuid(), os.getgid()], "executable": sys.executable, "excepthook": sys.excepthook.__name__,
})
"""
FORKS = """
import atexit, multiprocessing, os, subprocess, sys, threading
from headless import job

def square(number, queue=None):
    return number * number

if __name__ == "__main__":
    seen = []
    thread = threading.Thread(target=lambda: seen.append("thread"))
    thread.start(); thread.join()
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        seen.append(pool.map(square, [1, 2, 3]))
    seen.append(subprocess.run(["sh", "-c", "cat; echo said"], capture_output=True, text=True).stdout)
    seen.append(os.system("exit 3") >> 8)
    job.result(seen)
    atexit.register(print, "at exit")
    threading.Timer(0.05, print, ["thread of the end"]).start()
    print("no line end", end=" ")
"""
CLICK = """
import click

@click.command()
@click.option("--count", type=int, required=True)
@click.argument("word")
def main(count, word):
    '''Say it.'''
    click.echo(" ".join([word] * count))

main()
"""


@pytest.fixture(scope="module", params=list(STARTS))
def start(request: pytest.FixtureRequest) -> str:
    """How the server starts jobs."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(start: str) -> Iterator[Server]:
    """A server in unclean surroundings, with modules of its own."""
    dirt = {"SECRET_OF_THE_SERVER": "x", "PYTHONPATH": "/nowhere", "HEADLESS_TIMEOUT": "3", "LC_ALL": "C", "TZ": "UTC"}
    with open_world(**dirt) as world:
        folder = world.home / "modules"
        folder.mkdir()
        for name, text in (("look", LOOK), ("forks", FORKS), ("say_it", CLICK), ("sibling", "VALUE = 'from beside'")):
            (folder / f"{name}.py").write_text(text)
        before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)  # as a shell's `&` does
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        try:
            options = ("--modules", str(folder), "--environment", "SITE=here", "--environment", "TZ=Asia/Tokyo")
            server = world.serve(*options, *STARTS[start], tls=False)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
            signal.signal(signal.SIGQUIT, before)
        world.variables.clear()
        yield server


@pytest.fixture(scope="module")
def seen(server: Server) -> Any:
    """What the module ``look`` has seen."""
    return run_for_result(server, "-m", "look", "--name", "my-look", "--", "a b", "", "--", "ü", "-x")


def test_the_environment_holds_the_documented_variables_and_nothing_else(seen: Any) -> None:
    user = pwd.getpwuid(os.geteuid())
    environment = seen["environ"]
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", environment.pop("HEADLESS_JOB_ID"))
    assert environment.pop("HEADLESS_REPORT_FD").startswith("3")
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert environment == {
        "PATH": system if os.geteuid() == 0 else "/usr/local/bin:/usr/bin:/bin",
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "SITE": "here",
        "TZ": "Asia/Tokyo",
        "HEADLESS_JOB_NAME": "my-look",
        "HEADLESS_JOB_USER": user.pw_name,
    }


def test_it_starts_in_an_empty_folder_of_its_own_that_is_gone_afterwards(seen: Any) -> None:
    assert seen["cwd_listing"] == []
    wait_for(lambda: not os.path.exists(seen["cwd"]), "the end of the working folder")


def test_it_has_a_session_of_its_own_no_terminal_and_reads_nothing(seen: Any) -> None:
    assert seen["leads"] == [True, True]
    assert seen["stdin"] == ""
    assert seen["umask"] == 0o077


def test_it_inherits_no_descriptor_but_its_three_and_the_report(seen: Any) -> None:
    assert seen["fds"] == {"0": "/dev/null", "1": "pipe", "2": "pipe", "3": "pipe"}


def test_its_signals_are_as_in_a_login_shell(seen: Any) -> None:
    ignored = {name for name, what in seen["dispositions"].items() if what == str(signal.SIG_IGN)}
    caught = {name: what for name, what in seen["dispositions"].items() if "default_int_handler" in what}
    assert ignored == {"SIGPIPE", "SIGXFSZ"}  # Python's own choice
    assert list(caught) == ["SIGINT"]
    assert int(seen["blocked"], 16) == 0


def test_it_is_a_program_with_its_arguments_and_the_modules_beside_it(seen: Any, server: Server) -> None:
    script = str(server.world.home / "modules" / "look.py")
    assert seen["argv"] == [script, "a b", "", "--", "ü", "-x"]
    assert (seen["name"], seen["file"], seen["is_main"], seen["builtins"]) == ("__main__", script, True, "module")
    assert (seen["isolated"], seen["first_path"], seen["sibling"]) == (1, os.path.dirname(script), "from beside")
    assert (seen["hour"], seen["zone"]) == (9, "JST")  # the time zone of the server's settings counts


def test_its_streams_tell_the_truth(seen: Any) -> None:
    assert seen["originals"] == [True, True, True]
    assert seen["streams"] == [
        ["<stdin>", "r", "utf-8", "surrogateescape", True, False, 0, False, False],
        ["<stdout>", "w", "utf-8", "surrogateescape", False, False, 1, True, False],
        ["<stderr>", "w", "utf-8", "backslashreplace", False, False, 2, True, False],
    ]


def test_the_other_start_is_seen_by_its_ids_and_paths_only(seen: Any, server: Server, start: str) -> None:
    other = STARTS["warm" if start == "cold" else "cold"]
    modules = server.world.home / "modules"
    second = server.world.serve(
        "--modules", str(modules), "--environment", "SITE=here", "--environment", "TZ=Asia/Tokyo", *other, tls=False
    )
    found = run_for_result(second, "-m", "look", "--name", "my-look", "--", "a b", "", "--", "ü", "-x")
    own = {"environ", "cwd"}
    assert {name: found[name] for name in found.keys() - own} == {name: seen[name] for name in seen.keys() - own}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_threads_processes_children_and_atexit_work_inside_a_job(server: Server, method: str) -> None:
    done = server.world.run(
        *("-s", server.unix, "-t", "-1", "-m", "forks", "-o", "-"),
        *("--result", str(server.world.home / "result.json"), "--", method),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"no line end thread of the end\nat exit\n"
    result = (server.world.home / "result.json").read_text()
    assert "".join(result.split()) == '["thread",[1,4,9],"said\\n",3]'


@pytest.mark.parametrize(
    ("words", "status", "stdout", "stderr"),
    [
        (("--count", "2", "hello"), 0, b"hello hello\n", b""),
        (("--help",), 0, b"Say it.", b""),
        (("hello",), 4, b"", b"Missing option '--count'"),
    ],
)
def test_a_click_command_is_a_module_as_it_stands(
    server: Server, words: tuple[str, ...], status: int, stdout: bytes, stderr: bytes
) -> None:
    done = server.world.run("-s", server.unix, "-t", "-1", "-m", "say-it", "-o", "-", "--", *words)
    assert done.returncode == status
    assert stdout in done.stdout and stderr in done.stderr
    assert (done.stderr == b"") == (status == 0)


@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 3, os.urandom(10 << 20)], ids=["empty", "binary", "10 MiB"])
def test_stdin_is_handed_over_byte_for_byte_and_does_not_stay(server: Server, data: bytes) -> None:
    code = """
import hashlib, sys, stat, os
from headless import job
data = sys.stdin.buffer.read()
job.result([hashlib.sha256(data).hexdigest(), len(data), stat.S_ISREG(os.fstat(0).st_mode)])
"""
    found = run_for_result(server, "--stdin", "-c", code, stdin=data)
    assert found == [hashlib.sha256(data).hexdigest(), len(data), True]


def test_a_file_it_makes_is_its_owners_alone(server: Server) -> None:
    code = "import os; from headless import job; open('f', 'w'); os.mkdir('d')\n"
    code += "job.result([oct(os.stat(name).st_mode & 0o777) for name in 'fd'])"
    assert run_for_result(server, "-c", code) == ["0o600", "0o700"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run a job as another user")
def test_as_another_user_it_has_that_users_rights_and_environment(server: Server) -> None:
    server.user("add", "small", "--allow-code", "--run-as", "nobody", "--secret-out", str(server.world.home / "s"))
    second = server.world.serve(*STARTS["warm"], tls=True)
    login = second.add_user("small", "--allow-code", "--run-as", "nobody")
    code = "import os; print(os.getuid(), os.getgid(), os.getgroups(), os.environ['USER'], os.listdir('.'));"
    code += "open('mine', 'w'); print(open('/proc/self/status').read().split('CapEff:')[1].split()[0])"
    done = server.world.run(*login, "-t", "-1", "-o", "-", "-c", code)
    nobody = pwd.getpwnam("nobody")
    groups = os.getgrouplist("nobody", nobody.pw_gid)
    assert (done.returncode, done.stderr) == (0, b"")
    expected = f"{nobody.pw_uid} {nobody.pw_gid} {groups} nobody []\n{0:016x}\n"
    assert done.stdout.decode() == expected
    assert not Path(second.state / "jobs" / "mine").exists()
