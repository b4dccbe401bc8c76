"""The job's own process, after the fork: turn it into a program that knows nothing of headless, and run the script.

Used in a warm interpreter (a fork of one that is already up) and in a cold one (this file run by ``python -I``).
Only the standard library: the interpreter may be one without headless.
"""

import fcntl
import io
import os
import signal
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["Program", "become_program", "exec_program", "run_program"]

REPORT_FD = 3
PR_SET_PDEATHSIG = 1  # linux/prctl.h
REASON_LIMIT = 500  # characters


class Program:
    """What a job's process runs: a script, its arguments, and what stands around it."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        """Args:
        plan: the supervisor's ``plan.json`` (``docs/architecture.md``, the job's folder).
        """
        self.script: str = plan["script"]
        self.arguments: Sequence[str] = plan["arguments"]
        self.import_folder: str = plan["import_folder"]
        self.environment: Mapping[str, str] = plan["environment"]
        self.python: str = plan["python"]
        self.work: str = plan["work"]
        self.stdin: str = plan["stdin"]
        self.user: Mapping[str, Any] | None = plan["user"]


def become_program(program: Program, stdout: int, stderr: int, report: int) -> None:
    """Give this freshly forked process the surroundings of the job: session, descriptors, user, folder, environment.

    Raises:
        OSError: the input, the folder or the user is not to be had.
    """
    os.setsid()
    stdin = os.open(program.stdin, os.O_RDONLY)
    # First out of the way of the targets, then to them.
    sources = [fcntl.fcntl(source, fcntl.F_DUPFD, 16) for source in (stdin, stdout, stderr, report)]
    for target, source in enumerate(sources):
        os.dup2(source, target)
    os.closerange(REPORT_FD + 1, 4096)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if program.user is not None:
        os.setgroups(program.user["groups"])
        os.setgid(program.user["gid"])
        os.setuid(program.user["uid"])
    _die_with_supervisor()
    os.umask(0o077)
    os.chdir(program.work)
    os.environ.clear()
    os.environ.update(program.environment)


def _die_with_supervisor() -> None:
    """If the supervisor is killed the job counts as lost: it must not go on unseen. Cleared by setuid(2): after it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def exec_program(program: Program) -> NoReturn:
    """Replace this process by a cold interpreter that runs the script; the third argument names the folder.

    Raises:
        OSError: the interpreter cannot be started.
    """
    command = [program.python, "-I", __file__, program.script, program.import_folder, *program.arguments]
    os.execve(program.python, command, dict(program.environment))  # noqa: S606  # no shell is wanted


def run_program(script: str, import_folder: str, arguments: Sequence[str]) -> None:
    """Run a script as ``__main__``, like ``python SCRIPT ARGUMENTS``; ends as that would.

    Returns if the script comes to its end, raises ``SystemExit`` as it does or, after an uncaught exception,
    with status 1 when the traceback has been printed.

    Args:
        script: the file; its text is in the tracebacks.
        import_folder: the first place to import from, as the script's own folder is for Python; empty for none.
        arguments: ``sys.argv`` from its second item on.
    """
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv = [script, *arguments]
    if import_folder:
        sys.path.insert(0, import_folder)
    for stream in (sys.stdout, sys.stderr):
        # What a job has said must be out when it is killed.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102  # running it is the purpose
    except SystemExit:
        raise
    except BaseException as exc:  # noqa: BLE001  # the interpreter's own boundary, one frame earlier
        _report_exception(exc)


def _report_exception(exc: BaseException) -> NoReturn:
    """Print the traceback without our own frames, tell the supervisor, end as Python does."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    reason = " ".join(f"{type(exc).__name__}: {exc}".split())[:REASON_LIMIT]
    send_report({"exception": reason})
    sys.excepthook(type(exc), exc.with_traceback(trace), trace)
    if isinstance(exc, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit(1) from None


def send_report(message: dict[str, Any]) -> None:
    """Write a line to the supervisor; never fails the job."""
    import json

    try:
        os.write(REPORT_FD, json.dumps(message).encode() + b"\n")
    except OSError:
        return


if __name__ == "__main__":
    run_program(sys.argv[1], sys.argv[2], sys.argv[3:])
