"""The warm start: one small interpreter that is already up, and forked for each job.

A forked interpreter costs 2 ms where a cold one costs 11 to 18. The process has one thread, has imported little, and
does nothing else; the job that comes of the fork runs at the bottom of the stack and ends as a program ends.

Requests are one datagram each on a ``SOCK_SEQPACKET`` pair: the job's folder, and with it the end of a pipe for the
answer. That comes from the supervisor itself once it has its claim; if the supervisor is gone before, the pipe ends.
"""

import errno
import gc
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.processes import JOB_ID, MARK, name_process
from headless.execution.runner import Program, run_program
from headless.execution.supervisor import CLAIMED, send_answer, supervise

__all__ = ["NoAnswer", "WarmStart", "main"]

MESSAGE_SIZE = 8192  # a folder's name is at most 4096 bytes (PATH_MAX)
ANSWER_LIMIT_S = 30.0  # for a fork and a claim; more means that something holds the interpreter, or the disk
END_LIMIT_S = 5.0  # in which it must end once its socket is closed
TRIES = 2  # of one start


class NoAnswer(OSError):
    """Whether the job was claimed, only its folder can tell. It may be started again."""


class WarmStart:
    """The server's handle on its warm interpreter. Started again when it is gone. May be used by several threads."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Args:
        environment: of the interpreter; what jobs see is in their own plans.
        """
        self._environment = {**environment, JOB_ID: MARK}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def start(self, folder: str) -> None:
        """Start the supervisor of the job in ``folder``; once this returns the job is claimed.

        Raises:
            NoAnswer: no process could be started, or it is not known what it did.
            OSError: the supervisor could not claim the job.
        """
        reason = ""
        for _ in range(TRIES):
            try:
                answer, channel = self._ask(folder)
            except OSError as exc:
                raise NoAnswer(exc.errno, exc.strerror or str(exc)) from exc
            if answer == CLAIMED:
                return
            if answer.startswith("-"):
                code, _, text = answer[1:].partition(" ")
                raise OSError(int(code), text)
            # Whatever may still come of this request: a job is claimed once only, so it may be made again.
            reason = answer or "its answer is missing"
            self._drop(channel)
        raise NoAnswer(f"the warm interpreter does not answer: {reason}")

    def open(self) -> socket.socket:
        """Start the interpreter, if it is not up; return the socket to it.

        Raises:
            OSError: no process could be started.
        """
        with self._lock:
            return self._open()

    def close(self) -> None:
        """End the warm interpreter; the supervisors that it started go on."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            if self._process is not None:
                try:
                    self._process.wait(END_LIMIT_S)
                except subprocess.TimeoutExpired:
                    self._kill()
            self._socket = self._process = None

    def _open(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(  # our own interpreter and our own line
                    [sys.executable, "-I", "-c", "from headless.execution.warm import main; main()"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=self._environment,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        ours.settimeout(ANSWER_LIMIT_S)
        self._socket = ours
        return ours

    def _drop(self, channel: socket.socket) -> None:
        """Replace an interpreter that has gone or hangs, unless another thread has done so already."""
        with self._lock:
            if self._socket is channel:
                self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._socket is not None:
            self._socket.close()
        self._socket = self._process = None

    def _ask(self, folder: str) -> tuple[str, socket.socket]:
        """Send a request; return the answer, or a word on why there is none, and whom was asked.

        Raises:
            OSError: no process, no pipe.
        """
        channel = self.open()
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                socket.send_fds(channel, [folder.encode()], [writer])
            except (ConnectionError, TimeoutError) as exc:
                return exc.strerror or str(exc), channel
            except OSError as exc:
                if exc.errno != errno.EBADF:
                    raise
                return "it is being replaced", channel
            finally:
                os.close(writer)
            if not select.select([reader], [], [], ANSWER_LIMIT_S)[0]:
                return "timed out", channel
            return os.read(reader, MESSAGE_SIZE).decode(errors="replace"), channel
        finally:
            os.close(reader)


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
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_SIZE, 1)
        if not message:
            return None
        answer = descriptors[0]
        try:
            pid = os.fork()
        except OSError as exc:
            send_answer(answer, f"-{exc.errno} {exc.strerror}")
            continue
        if pid:
            os.close(answer)
            continue
        channel.close()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        program = supervise(message.decode(), answer)
        if program is None:
            os._exit(0)
        return program
