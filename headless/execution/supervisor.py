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
import sys
import time
from typing import Any

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.cgroup import count_oom_kills, join_cgroup, make_cgroup
from headless.execution.claim import sync_claim, take_claim
from headless.execution.control import open_control, read_cancel
from headless.execution.files import remove_tree, write_atomically
from headless.execution.processes import become_subreaper, mark_process, name_process
from headless.execution.record import RESERVE, End, build_record, write_record
from headless.execution.runner import Program, become_program, exec_program
from headless.execution.spool import Spool
from headless.execution.tree import Tree

__all__ = ["CLAIMED", "PLAN", "PROGRESS", "RESULT", "send_answer", "supervise"]

CLAIMED = "+"  # the answer once the job has begun, by this supervisor or by one before it
PLAN = "plan.json"  # what to run; written before the supervisor is started
PROGRESS = "progress.json"  # [done, total]; not durable
RESULT = "result.json"  # the last value of job.result

STREAMS = ("stdout", "stderr")
READ_SIZE = 256 * 1024
PIPE_SIZE = 1 << 20  # of an output that fills its pipe
REPORT_LIMIT = 2 << 20  # bytes of one report line; a result of 1 MiB is the longest that job.result sends
LINGER_S = 1.0  # in which children may end by themselves after the job's own process
DRAIN_LIMIT_S = 2.0  # for what is left in the pipes; processes outside of the tree may hold them and write on
POLL_S = 0.5  # only a safety net: pipes and SIGCHLD wake the supervisor
NOT_STARTED = 127  # exit status of a job's process that never came to run it, as of a shell's
RETRY_S = 1.0  # between two tries to write the outcome on a full disk


def supervise(folder: str, answer: int = -1) -> Program | None:
    """Run the job of this folder to its end.

    Args:
        folder: of the job.
        answer: descriptor on which to tell that the job is claimed, or why not; closed then. None if negative.

    Returns:
        In the job's own process, warm start: the program to run, for the caller to run at the bottom of its stack.
        In the supervisor: ``None``, after the outcome is on disk, or at once if the job was already claimed.
    """
    try:
        os.chdir(folder)
        is_ours = take_claim(".")
    except OSError as exc:
        send_answer(answer, f"-{exc.errno} {exc.strerror}")
        return None
    send_answer(answer, CLAIMED)
    if not is_ours:
        return None
    return Supervisor().run()


def send_answer(answer: int, text: str) -> None:
    """Tell whoever asked for a start, if it is still there."""
    if answer >= 0:
        with contextlib.suppress(OSError):
            os.write(answer, text.encode())
        os.close(answer)


class Supervisor:
    """The supervisor's loop; one object in one process for one job."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._deadline = float("inf")
        self._plan: dict[str, Any] = {}
        self._end = End()
        self._tree = Tree(0, "")
        self._control = -1
        self._cancelled: str | None = None
        self._spools = {name: Spool(name, 0) for name in STREAMS}
        self._outputs: dict[int, Spool] = {}
        self._buffer = bytearray(READ_SIZE)
        self._report = bytearray()
        self._report_fd = -1
        self._result: Any = None
        self._has_result = False
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.setblocking(False)
        self._poll = select.poll()
        self._wakeup, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        # The server's own stop, and a terminal's, are not the job's. Blocked and not ignored: the TERM of a cancel that
        # reaches the job's process before it has become the job must wait for it, not be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGTERM})

    def run(self) -> Program | None:
        """Start the job, follow it, write its outcome; in the job's process return what to run."""
        try:
            program = self._start()
        except (OSError, ValueError, KeyError, TypeError) as exc:
            self._end.not_started = f"the job could not be started: {getattr(exc, 'strerror', None) or exc}"
            self._end.status = NOT_STARTED << 8
            program = None
        if program is not None:
            return program
        if self._tree.pid:
            self._ring()
            self._follow()
            self._end_tree()
            self._drain()
        self._finish()
        return None

    def _start(self) -> Program | None:
        """Read the plan, look for a cancel, make the pipes and the job's process; in that return what to run.

        Raises:
            OSError: no room on the disk, or for a process.
            ValueError, KeyError, TypeError: the plan is damaged.
        """
        with open(PLAN, "rb") as file:
            plan = json.load(file)
        program = Program(plan)
        self._plan, limit_s = plan, plan["max_runtime_s"]
        name_process(f"headless-s {plan['name']}")
        sync_claim(".")
        self._control = open_control()
        self._look_for_cancel()
        if self._cancelled is not None:
            self._end.stopped = ("cancelled", self._cancelled)
            return None
        become_subreaper()
        cgroup = _make_cgroup(plan["cgroup"], plan["limits"])
        self._spools = {name: Spool(name, plan["spool_limit"]) for name in STREAMS}
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in (*STREAMS, "report")]
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            return _enter_program(program, plan["job_id"], supervisor, cgroup, [writer for _, writer in pipes])
        self._tree = Tree(pid, cgroup)
        if limit_s is not None:
            self._deadline = time.monotonic() + limit_s
        for reader, writer in pipes:
            os.close(writer)
            os.set_blocking(reader, False)
        *outputs, self._report_fd = (reader for reader, _ in pipes)
        self._outputs = dict(zip(outputs, self._spools.values(), strict=True))
        for descriptor in (*self._outputs, self._report_fd, self._control, self._wakeup):
            self._poll.register(descriptor, select.POLLIN)
        return None

    def _follow(self) -> None:
        """Drain the outputs until the job's own process has ended, or must be."""
        while True:
            self._tree.reap()  # adopted children are reaped on the way
            if self._tree.status is not None or self._must_stop():
                return
            self._pump(max(0.0, min(POLL_S, self._deadline - time.monotonic())))

    def _must_stop(self) -> bool:
        if self._cancelled is not None:
            self._end.stopped = ("cancelled", self._cancelled)
        elif time.monotonic() >= self._deadline:
            self._end.stopped = ("limit", f"its run-time limit of {self._plan['max_runtime_s']:g} s")
        return self._end.stopped is not None

    def _end_tree(self) -> None:
        """See to it that nothing of the tree is left: after the job's own end, or to end it."""
        tree, has_ended = self._tree, self._tree.status is not None
        if tree.cgroup and tree.status == signal.SIGKILL:
            self._end.oom_kills = count_oom_kills(tree.cgroup)
        if has_ended and tree.wait_gone(LINGER_S, self._pump, lambda: self._cancelled is not None):
            return
        signalled = tree.terminate()
        if not tree.wait_gone(self._plan["grace_s"], self._pump, lambda: False):
            self._end.survivors = tree.kill(self._pump)
        self._end.ended_left = signalled if has_ended else 0

    def _drain(self) -> None:
        """Take what the tree has left in the pipes, and no more: others may hold them open and write for ever."""
        deadline = time.monotonic() + DRAIN_LIMIT_S
        limits = {descriptor: spool.size + 2 * PIPE_SIZE for descriptor, spool in self._outputs.items()}
        while self._pump(0) and time.monotonic() < deadline:
            for descriptor, limit in list(limits.items()):
                if self._outputs[descriptor].size >= limit:
                    self._poll.unregister(descriptor)
                    del limits[descriptor]

    def _pump(self, timeout_s: float) -> bool:
        """Take what the pipes hold, waiting for it at most so long, and tell the server; False if it was nothing."""
        rings = False
        for descriptor, _ in self._poll.poll(timeout_s * 1000):
            try:
                size = os.readv(descriptor, [self._buffer])
            except BlockingIOError:
                continue
            if descriptor == self._wakeup:
                continue
            if descriptor == self._control:
                self._look_for_cancel()
                continue
            data = memoryview(self._buffer)[:size]
            if not size:
                self._poll.unregister(descriptor)
            elif descriptor == self._report_fd:
                self._take_report(data)
            else:
                self._outputs[descriptor].write(data)
                if size == 1 << 16:
                    _widen(descriptor)
            rings = True
        if rings:
            self._ring()
        return rings

    def _look_for_cancel(self) -> None:
        if self._cancelled is None:
            self._cancelled = read_cancel()

    def _take_report(self, data: memoryview) -> None:
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
            self._end.exception = str(message["exception"])
        if "not_started" in message:
            self._end.not_started = str(message["not_started"])

    def _finish(self) -> None:
        """Make output, result and outcome durable, in this order; keep trying while the disk is full."""
        for spool in self._spools.values():
            spool.close()
        if self._tree.pid:
            self._end.status, self._end.cpu_s = self._tree.status, self._tree.cpu_s
        self._end.notes = [
            f"{name} could not be kept: {spool.error}" for name, spool in self._spools.items() if spool.error
        ]
        duration_s = time.monotonic() - self._started
        record = build_record(self._end, self._plan.get("limits", {}), duration_s, self._spools)
        while True:
            try:
                if self._has_result:
                    self._write_result()
                write_record(record)
                break
            except OSError:
                if _is_folder_gone():
                    return  # with the whole state: nobody will ever ask
                time.sleep(RETRY_S)
        self._ring()
        _remove_work(self._plan.get("work", ""))

    def _write_result(self) -> None:
        """It may use the room that was kept for the outcome, but for what that needs itself."""
        with contextlib.suppress(OSError):
            os.truncate(RESERVE, 4096)
        write_atomically(RESULT, json.dumps(self._result).encode(), durable=True)

    def _ring(self) -> None:
        """Wake the server, if it is there; if not, it will look for itself when it comes back."""
        try:
            self._bell.sendto(self._plan["job_id"].encode(), self._plan["doorbell"])
        except (OSError, KeyError):
            return


def _enter_program(program: Program, job_id: str, supervisor: int, cgroup: str, pipes: list[int]) -> Program:
    """In the forked child: become the job, warm; or exec the cold interpreter. A failure is told and ends it."""
    stdout, stderr, report = pipes
    try:
        if cgroup:
            with contextlib.suppress(OSError):  # it may have been taken away: the process tree is enough then
                join_cgroup(cgroup)
        mark_process(job_id)
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


def _make_cgroup(path: str, limits: dict[str, int]) -> str:
    """Make the job's group; without one, the process tree is what the supervisor goes by."""
    if path:
        try:
            make_cgroup(path, limits)
        except OSError:
            return ""
    return path


def _widen(pipe: int) -> None:
    """Let a pipe that was full hold more, so that a job that writes much waits less. Elsewhere than on Linux: no."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # more than this user may have (pipe(7), pipe-user-pages-soft)
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _remove_work(work: str) -> None:
    try:
        os.rmdir(work)  # most jobs leave it empty
    except OSError:
        remove_tree(work)


def _is_folder_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
