"""The supervisor of one job: owns its processes, its output and its outcome, and outlives the server.

It works in the job's folder and knows nothing else. It takes an exclusive claim first, so a second start of the same
job ends without running it. Whatever happens afterwards, it leaves ``exit.json``; from outside, a job whose claim is
free and which has no ``exit.json`` is lost. Only the standard library.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.files import remove_tree, write_atomically
from headless.execution.processes import become_subreaper, end_descendants, name_process
from headless.execution.runner import Program, become_program, exec_program
from headless.execution.spool import Spool

__all__ = ["CLAIM", "EXIT", "PLAN", "PROGRESS", "RESERVE", "RESULT", "is_claimed", "supervise"]

PLAN = "plan.json"  # what to run; written before the supervisor is started
CLAIM = "claim"  # locked by the living supervisor
EXIT = "exit.json"  # the outcome; written once
PROGRESS = "progress.json"  # [done, total]; not durable
RESULT = "result.json"  # the last value of job.result

STREAMS = ("stdout", "stderr")
READ_SIZE = 64 * 1024
RESERVE = "reserve"  # room for the outcome on a full disk; made with the plan, removed just before it is needed
REPORT_LIMIT = 2 << 20  # bytes of one report line; a result of 1 MiB is the longest that job.result sends
LINGER_S = 1.0  # in which children may end by themselves after the job's own process
POLL_MS = 500  # only a safety net: pipes and SIGCHLD wake the supervisor
NOT_STARTED = 127  # exit status of a job's process that never came to run it, as of a shell's
RETRY_S = 1.0  # between two tries to write the outcome on a full disk


def supervise(folder: str) -> Program | None:
    """Run the job of this folder to its end.

    Returns:
        In the job's own process, warm start: the program to run, for the caller to run at the bottom of its stack.
        In the supervisor: ``None``, after the outcome is on disk, or at once if the job was already claimed.
    """
    os.chdir(folder)
    claim = os.open(CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    if os.path.exists(EXIT):
        return None
    with open(PLAN, "rb") as file:
        plan = json.load(file)
    become_subreaper()
    name_process(f"headless-s {plan['name']}")
    return Supervisor(plan).run()


def is_claimed(folder: str) -> bool:
    """Whether the supervisor of this folder's job lives.

    POSIX locks belong to the process, not to a descriptor: the job's processes do not inherit it, and it ends with
    the supervisor whatever kills that. It is asked for, never taken: a supervisor that starts at this moment must
    not find it held.
    """
    try:
        descriptor = os.open(os.path.join(folder, CLAIM), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # struct flock of fcntl(2): type, whence, start, length, process id
        question = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
        return bool(struct.unpack("hhqqi", answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


class Supervisor:
    """The supervisor's loop; one object in one process for one job."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._started = time.monotonic()
        self._pid = 0
        self._spools: dict[int, Spool] = {}
        self._report = bytearray()
        self._report_fd = -1
        self._exception = ""
        self._not_started = ""
        self._result: Any = None
        self._has_result = False
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.setblocking(False)
        self._poll = select.poll()
        self._wakeup, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        # The server's own stop, and a terminal's, are not the job's.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def run(self) -> Program | None:
        """Start the job, follow it, write its outcome; in the job's process return what to run."""
        try:
            program = self._start()
        except OSError as exc:
            self._not_started = f"the job could not be started: {exc.strerror or exc}"
            self._finish(NOT_STARTED << 8, 0)
            return None
        if program is not None:
            return program
        self._ring()
        status = self._follow()
        left = end_descendants(LINGER_S, self._plan["grace_s"], self._wait)
        while self._pump(0):
            pass
        self._finish(status, left)
        return None

    def _start(self) -> Program | None:
        """Make the pipes and the job's process; in that return what to run.

        Raises:
            OSError: no room on the disk, or for a process.
        """
        program = Program(self._plan)
        limit = self._plan["spool_limit"]
        pipes = {name: os.pipe2(os.O_CLOEXEC) for name in (*STREAMS, "report")}
        for name in STREAMS:
            self._spools[pipes[name][0]] = Spool(name, limit)
        self._report_fd = pipes["report"][0]
        supervisor = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            return _enter_program(program, supervisor, *(pipes[name][1] for name in (*STREAMS, "report")))
        for reader, writer in pipes.values():
            os.close(writer)
            os.set_blocking(reader, False)
            self._poll.register(reader, select.POLLIN)
        self._poll.register(self._wakeup, select.POLLIN)
        return None

    def _follow(self) -> int:
        """Drain the outputs until the job's own process has ended; return its wait status."""
        while True:
            self._pump(POLL_MS)
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:  # adopted children are reaped on the way
                if ended[0] == self._pid:
                    return ended[1]

    def _wait(self, limit_s: float) -> None:
        self._pump(int(limit_s * 1000))

    def _pump(self, timeout_ms: int) -> bool:
        """Take what the pipes hold, waiting for it at most so long, and tell the server; False if it was nothing."""
        rings = False
        for descriptor, _ in self._poll.poll(timeout_ms):
            data = _read(descriptor)
            if data is None or descriptor == self._wakeup:
                continue
            if not data:
                self._poll.unregister(descriptor)
            elif descriptor == self._report_fd:
                self._take_report(data)
            else:
                self._spools[descriptor].write(data)
            rings = True
        if rings:
            self._ring()
        return rings

    def _take_report(self, data: bytes) -> None:
        self._report += data
        *lines, rest = self._report.split(b"\n")
        self._report = rest if len(rest) <= REPORT_LIMIT else bytearray()
        for line in lines:
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                continue  # the job itself has written there; it is its own loss
            if isinstance(message, dict):
                self._take_message(message)

    def _take_message(self, message: dict[str, Any]) -> None:
        if "progress" in message:
            with contextlib.suppress(OSError):  # a full disk costs the bar, not the job
                write_atomically(PROGRESS, json.dumps(message["progress"]).encode(), durable=False)
        if "result" in message:
            self._result, self._has_result = message["result"], True
        if "exception" in message:
            self._exception = str(message["exception"])
        if "not_started" in message:
            self._not_started = str(message["not_started"])

    def _finish(self, status: int, left: int) -> None:
        """Make output, result and outcome durable, in this order; keep trying while the disk is full."""
        for spool in self._spools.values():
            spool.close()
        outcome = self._build_outcome(status, left)
        with contextlib.suppress(OSError):
            os.unlink(RESERVE)
        while True:
            try:
                if self._has_result:
                    write_atomically(RESULT, json.dumps(self._result).encode(), durable=True)
                write_atomically(EXIT, json.dumps(outcome).encode(), durable=True)
                break
            except OSError:
                if _is_folder_gone():
                    return  # with the whole state: nobody will ever ask
                time.sleep(RETRY_S)
        self._ring()
        remove_tree(self._plan["work"])

    def _build_outcome(self, status: int, left: int) -> dict[str, Any]:
        code = os.waitstatus_to_exitcode(status)
        reasons = []
        if self._not_started:
            ending, reasons = "not_started", [self._not_started]
        elif code < 0:
            ending, code = "signal", -code
        elif code and self._exception:
            ending, reasons = "exception", [self._exception]
        else:
            ending = "status"
        if left:
            reasons.append(f"{left} process{'es' if left > 1 else ''} it left behind had to be ended")
        spools = dict(zip(STREAMS, self._spools.values(), strict=False))  # fewer, if not even they could be made
        reasons += [f"{name} could not be kept: {spool.error}" for name, spool in spools.items() if spool.error]
        return {
            "ending": ending,
            "code": code,
            "reason": "; ".join(reasons),
            "duration_s": round(time.monotonic() - self._started, 3),
            "dropped": {name: spool.dropped for name, spool in spools.items() if spool.dropped},
        }

    def _ring(self) -> None:
        """Wake the server, if it is there; if not, it will look for itself when it comes back."""
        try:
            self._bell.sendto(self._plan["job_id"].encode(), self._plan["doorbell"])
        except OSError:
            return


def _enter_program(program: Program, supervisor: int, stdout: int, stderr: int, report: int) -> Program:
    """In the forked child: become the job, warm; or exec the cold interpreter. A failure is told and ends it."""
    try:
        become_program(program, stdout, stderr, report, supervisor)
        name_process(os.path.basename(program.script))
        if program.python:
            exec_program(program)
    except BaseException as exc:  # noqa: BLE001  # whatever it is, this child must not go on as a supervisor
        message = json.dumps({"not_started": f"the job could not be started: {exc}"}).encode() + b"\n"
        for descriptor in (report, 3):
            try:
                os.write(descriptor, message)
                break
            except OSError:
                continue
        os._exit(NOT_STARTED)
    return program


def _is_folder_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _read(descriptor: int) -> bytes | None:
    """What is there: empty at the end, ``None`` if it was only a false alarm."""
    try:
        return os.read(descriptor, READ_SIZE)
    except BlockingIOError:
        return None
