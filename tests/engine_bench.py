"""What the conformance suite of engines works with: an engine of each kind, and each way to start its jobs."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine_support import find_left, make_job, open_engine, read_output, read_status, require_cgroup
from headless.engines.base import EngineJob
from headless.engines.local import LocalEngine
from support import wait_for

__all__ = ["SLEEPS", "STARTS", "Bench", "make_bench", "wait_up"]

SLEEPS = "import time\ntime.sleep(100)"
STARTS = ("local-warm-cgroup", "local-warm-tree", "local-cold-tree")
"""Engine, way to start, and what jobs are held together by."""


@dataclass
class Bench:
    """An engine to be tested, and how its jobs are started.

    Attributes:
        folder: a folder of the test's own.
        python: of the jobs.
        cgroups: the engine's option.
    """

    folder: Path
    python: str
    cgroups: Literal["on", "off"]

    @property
    def jobs(self) -> Path:
        """The engine's own folder."""
        return self.folder / "jobs"

    def job(self, code: str = "pass", **changes: Any) -> EngineJob:
        """A job for it."""
        return make_job(code, **{"python": self.python, **changes})

    def run(self, test: Callable[[LocalEngine], Awaitable[None]], **options: Any) -> None:
        """Run a test with an engine; afterwards nothing of its jobs may be left running."""

        async def main() -> None:
            async with open_engine(self.jobs, cgroups=self.cgroups, **options) as engine:
                await test(engine)

        asyncio.run(main())
        wait_for(lambda: find_left(self.jobs) == [], "the end of what was started")


def make_bench(kind: str, folder: Path) -> Bench:
    """One of :data:`STARTS` in a folder; where there are no control groups the test is skipped."""
    _, start, means = kind.split("-")
    if means == "cgroup":
        require_cgroup()
    bench = Bench(folder, sys.executable if start == "cold" else "", "on" if means == "cgroup" else "off")
    bench.jobs.mkdir()
    return bench


async def wait_up(engine: LocalEngine, handle: str, text: bytes = b"up\n") -> None:
    """Wait until a job has said that it has come so far."""
    deadline = time.monotonic() + 30
    while await read_output(engine, handle) != text:
        assert time.monotonic() < deadline, (
            await read_status(engine, handle),
            await read_output(engine, handle, "stderr"),
        )
        await asyncio.sleep(0.01)
