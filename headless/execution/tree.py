"""All that a job has started, and its end: TERM, grace, KILL until nothing is left.

The tree is what descends from this process, which has adopted every orphan, and what is in the job's control group.
Only the standard library.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.cgroup import is_populated, kill_cgroup, remove_cgroup
from headless.execution.processes import list_children, list_descendants

__all__ = ["Tree"]

LAST_RESORT_S = 30.0  # KILL is not refused; this bounds the wait for what is stuck in the kernel, or is another user's
STEP_S = 0.02
KILL_STEP_S = 0.005
REAP_LIMIT = 1000  # of one round: a storm of orphans must not keep the output from being drained
CHASE_LIMIT = 200  # rounds after processes that do nothing but fork and end


class Tree:
    """The processes of one job, seen by its supervisor.

    Attributes:
        pid: of the job's own process.
        status: its wait status, once it has ended.
        cpu_s: seconds of processor time that it and the children that it waited for have used.
        cgroup: the job's group, or an empty string.
    """

    def __init__(self, pid: int, cgroup: str) -> None:
        self.pid = pid
        self.status: int | None = None
        self.cpu_s = 0.0
        self.cgroup = cgroup

    def reap(self) -> bool:
        """Reap the children that have ended; tell whether any is left."""
        for _ in range(REAP_LIMIT):
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                break
            if pid == self.pid and self.status is None:
                self.status, self.cpu_s = status, usage.ru_utime + usage.ru_stime
        return True

    def is_gone(self) -> bool:
        """Whether nothing of the tree is left; its group is removed then."""
        if self.reap():
            return False
        if self.cgroup and remove_cgroup(self.cgroup):
            self.cgroup = ""
        return not self.cgroup or not is_populated(self.cgroup)

    def wait_gone(self, limit_s: float, wait: Callable[[float], object], is_enough: Callable[[], bool]) -> bool:
        """Wait until nothing of the tree is left; False if the time is over or it is enough before.

        Args:
            limit_s: seconds.
            wait: called instead of sleeping, with the seconds to wait at most; drains the outputs.
            is_enough: asked in between.
        """
        deadline = time.monotonic() + limit_s
        while not self.is_gone():
            left_s = deadline - time.monotonic()
            if left_s <= 0 or is_enough():
                return False
            wait(min(left_s, STEP_S))
        return True

    def terminate(self) -> int:
        """Send TERM to all of the tree, the stopped ones included; return to how many."""
        count = 0
        for pid in self._list():
            try:
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)  # a stopped process does not see TERM
                count += 1
            except (ProcessLookupError, PermissionError):
                continue
        return count

    def kill(self, wait: Callable[[float], object]) -> int:
        """KILL until nothing is left, for at most ``LAST_RESORT_S``; return how many are left all the same.

        Args:
            wait: as for :meth:`wait_gone`.
        """
        deadline = time.monotonic() + LAST_RESORT_S
        while True:
            # Again and again: a fork bomb makes new ones between the listing and the signal.
            if self.cgroup:
                kill_cgroup(self.cgroup)
            self._chase()
            _kill_all(list_descendants())
            if self.wait_gone(KILL_STEP_S, wait, lambda: False):
                return 0
            if time.monotonic() > deadline:
                return len(self._list())

    def _chase(self) -> None:
        """KILL our own children as fast as can be: one that forks and ends at once is a child of ours ever anew."""
        for _ in range(CHASE_LIMIT):
            if not _kill_all(list_children()):
                return
            self.reap()

    def _list(self) -> set[int]:
        found = set(list_descendants())
        if self.cgroup:
            found |= _list_cgroup(self.cgroup)
        return found


def _kill_all(pids: list[int]) -> bool:
    """KILL these; tell whether it reached any."""
    reached = False
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            reached = True
        except (ProcessLookupError, PermissionError):
            continue
    return reached


def _list_cgroup(path: str) -> set[int]:
    """The members of a group and of those below it."""
    found: set[int] = set()
    for folder, _, _ in os.walk(path):
        try:
            with open(os.path.join(folder, "cgroup.procs"), "rb") as file:
                found.update(int(word) for word in file.read().split())
        except OSError:
            continue  # removed meanwhile
    found.discard(0)  # of another pid namespace
    return found
