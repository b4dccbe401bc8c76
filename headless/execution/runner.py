"""The job's own process, after the fork: turn it into a program that knows nothing of headless, and run the script.

Used in a warm interpreter (a fork of one that is already up) and in a cold one (this file run by ``python -I``).
Only the standard library: the interpreter may be one without headless.
"""

import builtins
import fcntl
import io
import os
import resource
import signal
import sys
import time
import types
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["Program", "become_program", "exec_program", "run_program"]

REPORT_FD = 3
PR_SET_DUMPABLE = 4
PR_SET_PDEATHSIG = 1  # linux/prctl.h
REASON_LIMIT = 500  # characters
CPU_NOTICE_S = 5  # between SIGXCPU and KILL


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
        self.descriptors: int = plan["descriptors"]
        self.limits: Mapping[str, int] = plan["limits"]


def become_program(program: Program, stdout: int, stderr: int, report: int, supervisor: int) -> None:
    """Give this freshly forked process the surroundings of the job: session, descriptors, user, folder, environment.

    Args:
        program: what it will run.
        stdout: pipe to the supervisor.
        stderr: pipe to the supervisor.
        report: pipe to the supervisor.
        supervisor: its process id.

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
    _set_limits(program.limits, program.descriptors)
    _reset_signals()
    if program.user is not None:
        for descriptor in (1, 2):  # else /dev/stdout and /dev/stderr could not be opened by name
            os.fchown(descriptor, program.user["uid"], -1)
        os.setgroups(program.user["groups"])
        os.setgid(program.user["gid"])
        os.setuid(program.user["uid"])
        _allow_looking()
    _die_with_supervisor(supervisor)
    os.umask(0o077)
    os.chdir(program.work)
    os.environ.clear()
    os.environ.update(program.environment)
    time.tzset()  # the C library of a warm interpreter has looked at TZ already


def _set_limits(limits: Mapping[str, int], descriptors: int) -> None:
    """Set what the job may use, as far as this process's own limits let it; never a core file.

    Raises:
        OSError: the kernel takes no such value.
    """
    _set_limit(resource.RLIMIT_CORE, 0, 0)
    # The server has raised its own limit; select(2) and the like in a job go by the usual one.
    _set_limit(resource.RLIMIT_NOFILE, limits["open_files"] or descriptors, limits["open_files"])
    for number, value, notice in (
        (resource.RLIMIT_AS, limits["memory"], 0),
        (resource.RLIMIT_CPU, limits["cpu_s"], CPU_NOTICE_S),
        (resource.RLIMIT_NPROC, limits["processes"], 0),
    ):
        if value:
            _set_limit(number, value, value + notice)
    if limits["nice"]:
        os.nice(limits["nice"])


def _set_limit(number: int, soft: int, hard: int) -> None:
    """Lower one limit. A hard one of 0 stays as it is, unless the soft one is 0 too."""
    most = resource.getrlimit(number)[1]
    if soft and (not hard or (most != resource.RLIM_INFINITY and most < hard)):
        hard = most
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(number, (soft, hard))


def _reset_signals() -> None:
    """As Python finds them in a login shell. A shell's ``&`` and nohup leave some ignored, and that is inherited."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _allow_looking() -> None:
    """After setuid(2) the kernel hides /proc/self from the process itself; a job of its own start would see it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def _die_with_supervisor(supervisor: int) -> None:
    """If the supervisor is killed the job counts as lost: it must not go on unseen. Cleared by setuid(2): after it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:  # it was killed before it could be asked for
            os._exit(127)


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
    main.__dict__.update(__file__=script, __builtins__=builtins)
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
    _send_exception(_describe_exception(exc))
    sys.excepthook(type(exc), exc.with_traceback(trace), trace)
    if isinstance(exc, KeyboardInterrupt):
        sys.excepthook = lambda *_: None  # it has been printed; the interpreter cleans up and dies of SIGINT
        raise exc
    raise SystemExit(1) from None


def _describe_exception(exc: BaseException) -> str:
    """One line: its type, and its text if it can be had."""
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001  # the job's own code, and as wrong as the rest of it
        text = "(its text cannot be had)"
    return " ".join(f"{type(exc).__name__}: {text}".split())[:REASON_LIMIT]


def _send_exception(text: str) -> None:
    """Write the line to the supervisor that tells of an exception; never fails the job.

    Without an import, also of a codec: the job may have no descriptor left for it.
    """
    escaped = "".join(_escape(ord(character)) for character in text)
    try:
        os.write(REPORT_FD, f'{{"exception": "{escaped}"}}\n'.encode())
    except OSError:
        return


def _escape(number: int) -> str:
    """A character as JSON has it in ASCII, two surrogates where it needs them (RFC 8259, section 7)."""
    if number < 0x10000:
        return f"\\u{number:04x}"
    return f"\\u{0xD7C0 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


if __name__ == "__main__":
    run_program(sys.argv[1], sys.argv[2], sys.argv[3:])
