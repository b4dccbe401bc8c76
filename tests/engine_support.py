"""What the tests of engines share: an engine on a folder, jobs for it, and a look at what is left of them."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from headless.engines.base import Engine, EngineJob, Phase, Status
from headless.engines.local import LocalEngine
from headless.execution.cgroup import find_base
from headless.job import Outcome
from support import TIME_SCALE, wait_for

ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


@asynccontextmanager
async def open_engine(
    folder: Path, *, max_output: int = 1 << 20, cgroups: Literal["on", "off"] = "on"
) -> AsyncIterator[LocalEngine]:
    """A local engine on a folder, closed at the end; its jobs go on."""
    engine = LocalEngine(str(folder), ENVIRONMENT, max_output=max_output, descriptors=1024, cgroups=cgroups)
    try:
        yield engine
    finally:
        await engine.close()


def require_cgroup() -> str:
    """The folder for control groups; without one the test is skipped by that name, and fails in CI."""
    base = find_base()
    if not base:
        message = "needs a control group (version 2) that it may write in"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    return base


def make_id() -> str:
    """A job's id that no other test has: control groups are the machine's."""
    return uuid.uuid4().hex


def make_job(code: str = "pass", **changes: Any) -> EngineJob:
    """A job that runs this code, with half a second of grace."""
    values: dict[str, Any] = {"script": None, "source": code.encode(), "arguments": (), "environment": {}}
    values |= {"stdin": None, "user": None, "grace_s": 0.5, "name": "n", "job_id": changes.pop("job_id", make_id())}
    return EngineJob(**{**values, **changes})


async def read_status(engine: Engine, handle: str) -> Status:
    """One job's status."""
    return (await engine.status([handle]))[handle]


async def wait_phase(engine: Engine, handle: str, phase: Phase, limit_s: float = 30) -> Status:
    """Wait until a job is in a phase; fail the test if it is not in time."""
    status = await read_status(engine, handle)
    try:
        async with asyncio.timeout(limit_s * TIME_SCALE):
            while status.phase is not phase:
                await asyncio.sleep(0.01)
                status = await read_status(engine, handle)
    except TimeoutError:
        raise AssertionError(f"waited {limit_s} s in vain for {phase}: {status}") from None
    return status


async def wait_end(engine: Engine, handle: str, limit_s: float = 30) -> Outcome:
    """Wait for a job's end; return its outcome."""
    outcome = (await wait_phase(engine, handle, Phase.ENDED, limit_s)).outcome
    assert outcome is not None
    return outcome


async def read_output(engine: Engine, handle: str, stream: str = "stdout", offset: int = 0) -> bytes:
    """All that can be had of an output just now."""
    found = b""
    while (piece := await engine.output(handle, stream, offset, 1 << 16)).data:
        found += piece.data
        offset = piece.offset + len(piece.data)
    return found


def find_supervisor(handle: str) -> int:
    """The process id of a job's supervisor: it works in the job's folder. Its name comes a moment after its start."""
    wait_for(lambda: len(_list_supervisors(handle)) == 1, "the supervisor")
    return _list_supervisors(handle)[0]


def find_left(folder: Path) -> list[str]:
    """What runs in a folder or below it, or in the control group of a job in it; a line of each for a message."""
    groups = {f"headless-{entry.name}" for entry in folder.iterdir()}
    found = []
    for pid in _list_processes():
        if pid == os.getpid():
            continue
        # By its threads: of a process whose first one has ended the others live on, and only they have a folder.
        for task in _list_threads(pid):
            try:
                cwd, group = os.readlink(task / "cwd"), (task / "cgroup").read_text()
                name, state = (task / "comm").read_text().strip(), (task / "stat").read_text().rpartition(")")[2][1]
            except OSError:
                continue
            if state != "Z" and (cwd.startswith(str(folder)) or any(each in group for each in groups)):
                found.append(f"{pid} {name} in {cwd}")
                break
    return found


def _list_threads(pid: int) -> list[Path]:
    try:
        return [Path(f"/proc/{pid}/task/{entry}") for entry in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []  # gone


def _list_processes() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _list_supervisors(handle: str) -> list[int]:
    return [pid for pid in _list_processes() if _is_supervisor(pid, handle)]


def _is_supervisor(pid: int, handle: str) -> bool:
    try:
        is_there = os.readlink(f"/proc/{pid}/cwd") == handle
        return is_there and Path(f"/proc/{pid}/comm").read_text().startswith("headless-s")
    except OSError:
        return False
