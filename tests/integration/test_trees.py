"""Thirty-odd shapes of trees that do not want to end: after a cancel or a limit nothing is left of any of them.

All run at once in one engine, by control groups and without them. Each says ``up`` when its tree stands.
"""

import asyncio
import os
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Literal

import pytest

from engine_support import find_left, make_job, open_engine, read_output, require_cgroup, wait_end
from headless.engines.base import Limits
from headless.engines.local import LocalEngine
from headless.job import Ending
from support import TIME_SCALE, wait_for

pytestmark = pytest.mark.alone  # thirty trees that start and end all the time, each of which must be gone soon

GRACE_S = 1.0
TREE_LIMIT_S = 20  # far above the grace, far below the programs' own end: a tree that outlives it was not ended

BEGIN = """
import ctypes, os, signal, socket, subprocess, sys, threading, time

def up():
    os.write(1, b"up\\n")

END = time.monotonic() + 60  # whatever becomes of the test, the machine gets rid of it

def rest():
    up()
    sleep()

def sleep():
    while time.monotonic() < END:
        time.sleep(10)
    os._exit(0)

def ignore(*numbers):
    for number in numbers or set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)

def fork(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(0)
    return pid

def daemon(child):
    def first():
        os.setsid()
        fork(child)
    os.waitpid(fork(first), 0)
"""

SHAPES = {
    "sleeps": "rest()",
    "ignores TERM": "ignore(signal.SIGTERM); rest()",
    "ignores everything": "ignore(); rest()",
    "blocks everything": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); rest()",
    "never lets a handler end": "signal.signal(signal.SIGTERM, lambda *_: time.sleep(100)); rest()",
    "a child": "fork(sleep); rest()",
    "a child that ignores TERM": "fork(lambda: (ignore(), sleep())); time.sleep(0.1); rest()",
    "a double-forked daemon": "daemon(sleep); rest()",
    "a daemon that ignores everything": "daemon(lambda: (ignore(), up(), sleep())); sleep()",
    "a daemon without descriptors": "daemon(lambda: (up(), os.closerange(0, 99), sleep())); sleep()",
    "a daemon without an environment": "daemon(lambda: (up(), os.execve('/bin/sleep', ['x', '100'], {}))); sleep()",
    "a daemon that outlives its job": "daemon(lambda: (ignore(), up(), sleep()))",
    "a daemon that keeps the pipe and writes": """
        def write():
            up()
            while time.monotonic() < END:
                os.write(1, b"x" * 4096)
        daemon(write)
        sleep()
    """,
    "nohup in the background": "os.execv('/bin/sh', ['sh', '-c', 'nohup sleep 100 & nohup sleep 100 & echo up; wait'])",
    "a shell of background jobs": """
        script = "trap '' TERM; for i in 1 2 3; do (sleep 100; sleep 100) & done; echo up; wait; wait"
        os.execv("/bin/sh", ["sh", "-c", script])
    """,
    "a stopped child": "os.kill(fork(sleep), signal.SIGSTOP); rest()",
    "stops itself": "up(); os.kill(os.getpid(), signal.SIGSTOP); sleep()",
    "a stopped daemon that ignores TERM": """
        daemon(lambda: (ignore(), up(), os.kill(os.getpid(), signal.SIGSTOP), sleep()))
        sleep()
    """,
    "children in groups of their own": "[fork(lambda: (os.setpgid(0, 0), sleep())) for _ in range(5)]; rest()",
    "leaves its own group": "os.wait() if (p := os.fork()) else (os.setpgid(0, 0), rest())",
    "twenty generations": """
        def generation(left):
            fork(lambda: generation(left - 1)) if left else up()
            sleep()
        generation(20)
    """,
    "orphans of orphans": """
        def generation(left):
            fork(lambda: generation(left - 1)) if left else (up(), sleep())
        generation(20)
        sleep()
    """,
    "threads": "[threading.Thread(target=sleep).start() for _ in range(20)]; rest()",
    "a main thread that has ended": """
        threading.Thread(target=rest).start()
        ctypes.CDLL(None).pthread_exit(None)
    """,
    "children of a thread": "threading.Thread(target=lambda: (fork(sleep), up(), sleep())).start(); sleep()",
    "posix_spawn in a session": "os.posix_spawn('/bin/sleep', ['sleep', '100'], {}, setsid=True); rest()",
    "vfork and a new group": "subprocess.Popen(['sleep', '100'], process_group=0); rest()",
    "breeds zombies": "[fork(lambda: None) for _ in range(100)]; rest()",
    "breeds zombies for ever": """
        up()
        while time.monotonic() < END:
            fork(lambda: None)
            time.sleep(0.002)
    """,
    "forks and ends, for ever": """
        os.setsid() if os.getpid() != os.getsid(0) else None
        up()
        while time.monotonic() < END:
            if os.fork():
                os._exit(0)
    """,
    "a fork storm": """
        ignore()
        counter = os.memfd_create("counter")
        def storm(depth):
            while depth and time.monotonic() < END:
                if os.lseek(counter, 0, os.SEEK_END) < 100:
                    os.write(counter, b"x")
                    fork(lambda: (os.setsid(), storm(depth - 1), sleep()))
                else:
                    fork(lambda: time.sleep(0.005))
                    os.wait()
        up()
        storm(5)
    """,
    "replaces what is killed": """
        def nurse():
            ignore(signal.SIGTERM)
            while time.monotonic() < END:
                os.waitpid(fork(lambda: (signal.signal(signal.SIGTERM, signal.SIG_DFL), sleep())), 0)
        fork(nurse)
        rest()
    """,
    "renames itself": """
        ctypes.CDLL(None).prctl(15, b"init) Z 1 (", 0, 0, 0)
        fork(lambda: (ctypes.CDLL(None).prctl(15, b") S 0 0 0", 0, 0, 0), sleep()))
        rest()
    """,
    "a subreaper of its own": """
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        daemon(lambda: (ignore(), up(), sleep()))
        sleep()
    """,
    "traced and stopped": """
        def traced():
            ctypes.CDLL(None).ptrace(0, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            sleep()
        os.waitpid(fork(traced), os.WUNTRACED)
        ignore(signal.SIGTERM)
        rest()
    """,
    "sub-interpreter of multiprocessing": """
        import multiprocessing
        context = multiprocessing.get_context("fork")
        [context.Process(target=sleep).start() for _ in range(3)]
        rest()
    """,
    "gives its output to an outsider": """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside:
            outside.connect(os.environ["OUTSIDE"])
            socket.send_fds(outside, [b"x"], [2])
        rest()
    """,
    "a pid namespace": """
        if ctypes.CDLL(None).unshare(0x20000000 | (0x10000000 if os.getuid() else 0)):
            rest()
        def first():
            fork(lambda: (ignore(), sleep()))
            ignore()
            rest()
        fork(first)
        sleep()
    """,
    "a user and mount namespace": "ctypes.CDLL(None).unshare(0x10000000 | 0x20000); daemon(sleep); rest()",
    "another root": """
        if os.getuid() == 0:
            os.chroot(os.getcwd())
        daemon(lambda: (ignore(), sleep()))
        rest()
    """,
    "another user": """
        if os.getuid() == 0:
            daemon(lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534), ignore(), sleep()))
        rest()
    """,
    "a lower class of the scheduler": "os.nice(19); os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)); rest()",
    "control groups of its own": """
        with open("/proc/self/cgroup") as file:
            group = next(line[3:].strip() for line in file if line.startswith("0::"))
        inner = "/sys/fs/cgroup/unified" + group + "/inner"
        try:
            if "headless-" in group:
                os.mkdir(inner)
                with open(inner + "/cgroup.procs", "w") as file:
                    file.write("0")
        except OSError:
            pass
        daemon(sleep)
        rest()
    """,
    "no room in its folder": "os.chmod('.', 0); daemon(sleep); rest()",
    "raises its own OOM score": "open('/proc/self/oom_score_adj', 'w').write('1000'); fork(sleep); rest()",
}

ENDED = ("a daemon that outlives its job", "forks and ends, for ever")
"""The shapes whose own process has ended before the cancel."""


@pytest.fixture(params=["cgroup", "tree"])
def means(request: pytest.FixtureRequest) -> str:
    """By control groups, or by the process tree alone."""
    if request.param == "cgroup":
        require_cgroup()
    return str(request.param)


def test_nothing_is_left_of_any_tree(tmp_path: Path, means: str) -> None:
    assert len(SHAPES) >= 30
    cgroups: Literal["on", "off"] = "on" if means == "cgroup" else "off"

    async def main() -> dict[str, str]:
        with _Outsider(tmp_path) as outsider:
            async with open_engine(tmp_path / "jobs", cgroups=cgroups) as engine:
                limit = asyncio.Semaphore(8)  # enough at once: two processors have to start and end them all

                async def run(name: str, body: str) -> str:
                    async with limit:
                        return await _end_shape(engine, name, body, outsider.path)

                found = await asyncio.gather(*(run(name, body) for name, body in SHAPES.items()))
                return dict(zip(SHAPES, found, strict=True))

    (tmp_path / "jobs").mkdir()
    wrong = {name: what for name, what in asyncio.run(main()).items() if what}
    assert not wrong
    wait_for(lambda: find_left(tmp_path / "jobs") == [], "the last supervisor's end")


async def _end_shape(engine: LocalEngine, name: str, body: str, outside: str) -> str:
    """Run a tree and end it; return what was wrong, empty if nothing."""
    job = make_job(
        BEGIN + textwrap.dedent(body),
        environment={"PATH": os.defpath, "LANG": "C.UTF-8", "OUTSIDE": outside},
        grace_s=GRACE_S,
        limits=Limits(open_files=256),
    )
    handle = await engine.submit(job)
    deadline = time.monotonic() + 20 * TIME_SCALE
    while b"up\n" not in (await engine.output(handle, "stdout", 0, 4096)).data:
        if time.monotonic() > deadline:
            return f"never up: {await engine.status([handle])} {await read_output(engine, handle, 'stderr')!r}"
        await asyncio.sleep(0.01)
    if name not in ENDED and not await asyncio.to_thread(find_left_of, handle):
        return "nothing of it was there"
    begun = time.monotonic()
    await engine.cancel(handle, "enough")
    outcome = await wait_end(engine, handle, 30)
    took_s = time.monotonic() - begun
    left = await asyncio.to_thread(find_left_of, handle)
    if left:
        return f"left: {left}"
    if took_s > TREE_LIMIT_S * TIME_SCALE:
        return f"took {took_s:.1f} s"
    if outcome.ending is not Ending.CANCELLED and name not in ENDED:
        return f"ended otherwise: {outcome}"
    return ""


def find_left_of(handle: str) -> list[str]:
    """What is left of one job but its supervisor, which may still be about to end."""
    return [
        line for line in find_left(Path(handle).parent) if os.path.basename(handle) in line and "headless-s" not in line
    ]


class _Outsider:
    """A process outside of every tree that keeps the descriptors which it is sent, and writes to them."""

    CODE = """
import os, socket, sys, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
    inbox.bind(sys.argv[1])
    print("up", flush=True)
    inbox.settimeout(0.001)
    kept = []
    while os.getppid() == int(sys.argv[2]):
        try:
            kept += socket.recv_fds(inbox, 10, 10)[1]
        except TimeoutError:
            pass
        for descriptor in kept:
            os.set_blocking(descriptor, False)
            try:
                os.write(descriptor, b"x" * 4096)
            except OSError:
                pass
"""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "outside")

    def __enter__(self) -> "_Outsider":
        command = ["python3", "-c", self.CODE, self.path, str(os.getpid())]
        self._process = subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE)
        assert self._process.stdout is not None and self._process.stdout.readline() == b"up\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
