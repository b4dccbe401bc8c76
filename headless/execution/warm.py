"""The warm start: one small interpreter that is already up, and forked for each job.

A forked interpreter costs 2 ms where a cold one costs 11 to 18. The process has one thread, has imported little, and
does nothing else; the job that comes of the fork runs at the bottom of the stack and ends as a program ends.

Requests are one datagram each on a ``SOCK_SEQPACKET`` pair: the job's folder. The answer is the supervisor's process
id, or ``-`` and the reason.
"""

import gc
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.processes import name_process
from headless.execution.runner import Program, run_program
from headless.execution.supervisor import supervise

__all__ = ["WarmStart", "main"]

MESSAGE_SIZE = 8192  # a folder's name is at most 4096 bytes (PATH_MAX)
ANSWER_LIMIT_S = 30.0  # for a fork; more means that something holds the interpreter
END_LIMIT_S = 5.0  # in which it must end once its socket is closed


class WarmStart:
    """The server's handle on its warm interpreter. Started again when it is gone. Not thread-safe."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Args:
        environment: of the interpreter; what jobs see is in their own plans.
        """
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self, folder: str) -> int:
        """Start the supervisor of the job in ``folder`` and return its process id.

        Raises:
            OSError: no process could be started. The job has not been claimed.
        """
        for is_last in (False, True):
            try:
                return self._ask(folder)
            except (ConnectionError, EOFError, TimeoutError) as exc:
                self._kill()
                if is_last:
                    raise OSError(f"the warm interpreter does not answer: {exc}") from exc
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End the warm interpreter; the supervisors that it started go on."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            try:
                self._process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._kill()
        self._socket = self._process = None

    def _kill(self) -> None:
        """End an interpreter that does not answer, so that it cannot start later what it was asked for."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._socket is not None:
            self._socket.close()
        self._socket = self._process = None

    def open(self) -> socket.socket:
        """Start the interpreter, if it is not up; return the socket to it.

        Raises:
            OSError: no process could be started.
        """
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # our own interpreter and our own line
                [sys.executable, "-I", "-c", "from headless.execution.warm import main; main()"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=dict(self._environment),
                start_new_session=True,
            )
        ours.settimeout(ANSWER_LIMIT_S)
        self._socket = ours
        return ours

    def _ask(self, folder: str) -> int:
        channel = self.open()
        channel.send(folder.encode())
        answer = channel.recv(MESSAGE_SIZE).decode()
        if not answer:
            raise EOFError("it has ended")
        if answer.startswith("-"):
            raise OSError(answer[1:])
        return int(answer)


def main() -> None:
    """Be the warm interpreter: standard input is the socket. In a job's process this returns when the job ends."""
    channel = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with its socket
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors need no reaping
    name_process("headless-warm")
    _preload()
    gc.collect()
    gc.freeze()
    program = _serve(channel)
    if program is not None:
        _renew_streams()
        run_program(program.script, program.import_folder, program.arguments)


def _preload() -> None:
    """Import what nearly every script imports; a job cannot tell, but for its speed."""
    import re

    re.compile("")
    json.dumps({})


def _renew_streams() -> None:
    """Make ``sys.stdin`` and the others anew: they remember what they found out about the descriptors of before."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        raw = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
        raw.name = f"<{name}>"
        buffer = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
        stream = io.TextIOWrapper(buffer, old.encoding, old.errors, line_buffering=number > 0)
        vars(stream)["mode"] = old.mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _serve(channel: socket.socket) -> Program | None:
    """Fork a supervisor for each request until the socket's end; return in the jobs' processes only."""
    while folder := channel.recv(MESSAGE_SIZE).decode():
        try:
            pid = os.fork()
        except OSError as exc:
            channel.send(f"-{exc.strerror}".encode())
            continue
        if pid:
            channel.send(str(pid).encode())
            continue
        channel.close()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        program = supervise(folder)
        if program is None:
            os._exit(0)
        return program
    return None
